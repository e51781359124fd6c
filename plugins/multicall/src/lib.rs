//! All short-lived plugins in one executable.
