//! The variables of a call: which verb needs which, and what is valid.
