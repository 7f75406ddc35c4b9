//! From an offset to the line and the column that a person's editor shows.

/// A place in a text. Lines and columns count from 1; columns are characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The place of the byte `offset` in `text`; the end of the text for an offset beyond it.
    pub fn of(text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.bytes().filter(|&b| b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The byte offset of the `index`th character (from 0) of `text`; its length if it has fewer.
///
/// Postgres counts an error's position in characters, whatever the client's encoding is
/// (manual, section 54.8, "Error and Notice Message Fields", field `P`).
pub fn byte_of_char(text: &str, index: usize) -> usize {
    text.char_indices().nth(index).map_or(text.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_not_bytes() {
        let text = "a\nüö x";
        let x = text.find('x').unwrap();
        assert_eq!(Position::of(text, x), Position { line: 2, column: 4 });
    }

    #[test]
    fn an_offset_inside_a_character_or_beyond_the_end_is_taken_back() {
        assert_eq!(Position::of("ü", 1), Position { line: 1, column: 1 });
        assert_eq!(Position::of("ab\n", 99), Position { line: 2, column: 1 });
    }

    #[test]
    fn characters_are_found_behind_multibyte_text() {
        assert_eq!(byte_of_char("üx", 1), 2);
        assert_eq!(byte_of_char("üx", 9), 3);
    }
}
