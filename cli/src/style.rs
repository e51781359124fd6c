//! Colour and tables: how text looks on a terminal and elsewhere.

use std::io::IsTerminal;

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// Colour is for terminals that can and people who want it (<https://no-color.org>).
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { colour: stream.is_terminal() && !set("NO_COLOR") && !dumb }
    }

    /// Never coloured.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colour: false };

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Headings, names.
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Success.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Failure.
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// What matters less.
    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }
}

/// Columns as wide as their widest cell; the last one is not padded. Empty cells show as `-`.
pub(crate) fn table<const N: usize>(style: Style, headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(width);
    for row in rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(cell).max(1));
        }
    }
    let line = |cells: [&str; N], paint: &dyn Fn(usize, &str) -> String| {
        let mut text = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let shown = if cell.is_empty() { "-" } else { cell };
            text.push_str(&paint(at, shown));
            if at + 1 < N {
                text.extend(std::iter::repeat_n(' ', widths[at] - width(shown) + 3));
            }
        }
        text.push('\n');
        text
    };
    let mut text = line(headings, &|_, cell| style.bold(cell));
    for row in rows {
        text.push_str(&line(row.each_ref().map(String::as_str), &|at, cell| {
            if cell == "-" {
                style.faint(cell)
            } else if at == 0 {
                style.bold(cell)
            } else {
                cell.to_owned()
            }
        }));
    }
    text
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_the_last_is_not_padded() {
        let rows = [["net1".to_owned(), "bridge".into(), "2".into()], ["längerer".into(), String::new(), "10".into()]];
        let text = table(Style::PLAIN, ["NAME", "DRIVER", "N"], &rows);
        assert_eq!(text, "NAME       DRIVER   N\nnet1       bridge   2\nlängerer   -        10\n");
    }

    #[test]
    fn colour_does_not_move_columns() {
        let rows = [["a".to_owned(), String::new()]];
        let text = table(Style { colour: true }, ["NAME", "X"], &rows);
        assert_eq!(
            text,
            "\u{1b}[1mNAME\u{1b}[0m   \u{1b}[1mX\u{1b}[0m\n\u{1b}[1ma\u{1b}[0m      \u{1b}[2m-\u{1b}[0m\n"
        );
    }
}
