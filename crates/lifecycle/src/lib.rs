//! What a verb does.
