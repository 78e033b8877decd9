//! Columns without lines.

use super::text::WIDTH;
use comfy_table::{ContentArrangement, Table, presets};

/// Renders rows below a head, within the page's width.
pub(crate) fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(WIDTH).unwrap_or(u16::MAX)).set_header(head).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, table};

    #[test]
    fn no_line_is_wider_than_the_page_and_nothing_is_lost() {
        let words = "word ".repeat(60);
        let page = table(&["A", "B"], vec![vec!["x".into(), words.trim().into()], vec!["y".into(), "z".into()]]);
        assert!(page.lines().all(|l| l.chars().count() <= WIDTH), "{page}");
        assert_eq!(page.matches("word").count(), 60);
    }
}
