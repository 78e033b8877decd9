//! Lines of text within a width.

use rumpus_model::target::Printable;

/// Widest line.
pub(crate) const WIDTH: usize = 100;

/// Makes text from outside printable, and cuts it after `most` characters.
pub(crate) fn safe(text: &str, most: usize) -> String {
    let printable = Printable(text).to_string();
    if printable.chars().count() <= most {
        return printable;
    }
    printable.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Breaks text into lines: the first begins with `first`, the others with as many blanks. Words that are wider than a
/// line are broken.
pub(crate) fn wrap(first: &str, text: &str) -> String {
    let indent = first.chars().count();
    let room = WIDTH.saturating_sub(indent).max(20);
    let mut lines = vec![String::new()];
    for word in Printable(text).to_string().split(' ').flat_map(|word| pieces(word, room)) {
        let used = lines.last().map_or(0, |l| l.chars().count());
        match lines.last_mut() {
            Some(line) if used == 0 => line.push_str(&word),
            Some(line) if used + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(_) | None => lines.push(word),
        }
    }
    let blank = format!("\n{}", " ".repeat(indent));
    format!("{first}{}\n", lines.join(&blank))
}

fn pieces(word: &str, room: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(room).map(|piece| piece.iter().collect()).collect()
}

/// Joins the first `most` of a list and says how many more there are.
pub(crate) fn some(list: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = list.len().saturating_sub(most);
    let mut shown: Vec<String> = list.take(most).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, safe, some, wrap};

    #[test]
    fn no_line_is_wider_than_the_page() {
        for text in ["a b c".repeat(100), "x".repeat(1000), String::new(), "ä".repeat(300)] {
            let page = wrap("reason  ", &text);
            assert!(page.lines().all(|l| l.chars().count() <= WIDTH), "{page}");
            assert_eq!(page.replace(['\n', ' '], ""), format!("reason{text}").replace(' ', ""));
        }
    }

    #[test]
    fn what_steers_a_terminal_is_shown_and_not_sent() {
        assert_eq!(safe("a\u{1b}[2Jb\u{202e}c", 50), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(safe("abcdef", 4), "abc…");
        assert_eq!(some(["a", "b", "c"].map(String::from).into_iter(), 2), "a, b, and 1 more");
    }
}
