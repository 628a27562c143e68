//! Tables without borders, for people and for `grep`. Columns that do not fit are left out, the least important first.

use anstyle::Style;
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement};

/// A column.
pub(super) struct Column {
    pub(super) title: &'static str,
    /// On a narrow terminal, columns with a lower weight are left out first. The column with the highest always stays.
    pub(super) weight: u8,
    pub(super) is_number: bool,
}

/// Formats a table of these rows, indented by two blanks, without a final newline.
pub(super) fn table(columns: &[Column], rows: &[Vec<(String, Style)>], width: Option<u16>) -> String {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    while let Some(width) = width
        && needed(columns, rows, &kept) > usize::from(width)
        && kept.len() > 1
    {
        let least = kept.iter().enumerate().min_by_key(|(_, column)| columns[**column].weight);
        kept.remove(least.expect("more than one column is left").0);
    }

    let mut table = comfy_table::Table::new();
    table.force_no_tty().enforce_styling().load_style(NOTHING);
    // This way the padding of a column is not coloured.
    table.style_text_only();
    table.set_header(kept.iter().map(|column| Cell::new(columns[*column].title).add_attribute(Attribute::Bold)));
    for row in rows {
        table.add_row(kept.iter().map(|column| cell(&row[*column])));
    }
    for (place, column) in kept.iter().enumerate() {
        let column_style = table.column_mut(place).expect("every kept column has a cell in the header");
        column_style.set_padding((2, 0));
        if columns[*column].is_number {
            column_style.set_cell_alignment(CellAlignment::Right);
        }
    }
    if let Some(width) = width {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn needed(columns: &[Column], rows: &[Vec<(String, Style)>], kept: &[usize]) -> usize {
    let widest = |column: &usize| {
        let cells = rows.iter().map(|row| row[*column].0.chars().count());
        2 + cells.chain([columns[*column].title.len()]).max().unwrap_or_default()
    };
    kept.iter().map(widest).sum()
}

fn cell((text, style): &(String, Style)) -> Cell {
    let mut cell = Cell::new(text);
    if let Some(anstyle::Color::Ansi(color)) = style.get_fg_color() {
        cell = cell.fg(match color {
            anstyle::AnsiColor::Green => Color::DarkGreen,
            anstyle::AnsiColor::Yellow => Color::DarkYellow,
            anstyle::AnsiColor::Red => Color::DarkRed,
            anstyle::AnsiColor::Cyan => Color::DarkCyan,
            _ => Color::Reset,
        });
    }
    for (effect, attribute) in [(anstyle::Effects::BOLD, Attribute::Bold), (anstyle::Effects::DIMMED, Attribute::Dim)] {
        if style.get_effects().contains(effect) {
            cell = cell.add_attribute(attribute);
        }
    }
    cell
}
