//! Measured comparisons with the reference plugins and the kernel floor.
