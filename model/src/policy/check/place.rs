//! Where a check stands, and the book that it writes into.

use crate::policy::problem::Problem;
use crate::policy::{Policy, Site, Unbuilt};
use std::cell::RefCell;

/// Everything that was noted about one document.
#[derive(Debug)]
pub(crate) struct Book {
    site: Site,
    problems: RefCell<Vec<Problem>>,
    unbuilt: RefCell<Vec<Unbuilt>>,
}

impl Book {
    pub(crate) fn new(site: Site) -> Self {
        Self { site, problems: RefCell::default(), unbuilt: RefCell::default() }
    }

    pub(crate) fn root(&self) -> Place<'_> {
        Place { path: String::new(), book: self }
    }

    /// Returns what was checked if nothing was wrong and nothing of it cannot be honoured.
    pub(crate) fn close_with<T>(self, checked: Option<T>) -> Result<T, Vec<Problem>> {
        let mut problems = self.problems.into_inner();
        problems.extend(self.unbuilt.into_inner().into_iter().map(|u| Problem::at(u.field, u.why, u.hint)));
        checked.filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// Returns the policy if nothing was wrong.
    pub(crate) fn close(self, policy: Option<Policy>) -> Result<Policy, Vec<Problem>> {
        let problems = self.problems.into_inner();
        match policy {
            Some(policy) if problems.is_empty() => Ok(Policy { unbuilt: self.unbuilt.into_inner(), ..policy }),
            Some(_) | None => Err(problems),
        }
    }
}

/// One field of a document.
#[derive(Debug)]
pub(crate) struct Place<'b> {
    path: String,
    book: &'b Book,
}

impl Place<'_> {
    /// Returns whether the policy is meant for a cluster.
    pub(crate) fn in_cluster(&self) -> bool {
        match self.book.site {
            Site::Cluster => true,
            Site::Host => false,
        }
    }

    pub(crate) fn field(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, book: self.book }
    }

    pub(crate) fn item(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), book: self.book }
    }

    /// Notes that this field is wrong.
    pub(crate) fn wrong(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.book.problems.borrow_mut().push(Problem::at(self.path.clone(), what, hint));
    }

    /// Notes that this field is required and not there.
    pub(crate) fn missing<T>(&self, hint: impl Into<String>) -> Option<T> {
        self.wrong("is missing", hint);
        None
    }

    /// Notes that this field is understood and cannot be honoured here.
    pub(crate) fn unbuilt(&self, why: impl Into<String>, hint: impl Into<String>) {
        let field = Unbuilt { field: self.path.clone(), why: why.into(), hint: hint.into() };
        self.book.unbuilt.borrow_mut().push(field);
    }

    /// Refuses a list that is written and holds nothing.
    pub(crate) fn filled<'l, T>(&self, list: Option<&'l Vec<T>>) -> &'l [T] {
        match list {
            None => &[],
            Some(list) => {
                if list.is_empty() {
                    self.wrong("an empty list names nothing", "fill it, or leave the field out");
                }
                list
            }
        }
    }
}

impl Clone for Place<'_> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), book: self.book }
    }
}
