//! Results of every version, in and out. What stands between the two has the newest shape.

mod parse;
mod print;

#[cfg(test)]
mod tests;
