//! What is said about a row of times. It knows nothing of where they come from.

use std::time::Duration;

/// A row of times, sorted.
#[derive(Debug, Clone)]
pub struct Sample {
    sorted: Vec<Duration>,
    /// Operations a second: by their sum when they ran one after another, by the wall clock when in parallel.
    pub rate: f64,
}

impl Sample {
    /// Times of operations that ran one after another.
    #[must_use]
    pub fn sequential(times: Vec<Duration>) -> Self {
        let total: Duration = times.iter().sum();
        Self::parallel(times, total)
    }

    /// Times of operations that took `wall` together.
    #[must_use]
    pub fn parallel(mut times: Vec<Duration>, wall: Duration) -> Self {
        times.sort_unstable();
        let rate = if wall.is_zero() { 0.0 } else { times.len() as f64 / wall.as_secs_f64() };
        Self { sorted: times, rate }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The smallest time that at least `percent` of all do not exceed (nearest rank), in milliseconds.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted.get(rank - 1).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let sample = Sample::sequential((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!([50, 90, 99, 100].map(|percent| sample.percentile(percent)), [50.0, 90.0, 99.0, 100.0]);
        let one = Sample::sequential(vec![Duration::from_millis(7)]);
        assert_eq!([1, 50, 99].map(|percent| one.percentile(percent)), [7.0; 3]);
    }

    #[test]
    fn rates_are_by_the_sum_or_by_the_wall_clock() {
        let times = vec![Duration::from_millis(10); 4];
        assert!((Sample::sequential(times.clone()).rate - 100.0).abs() < 1e-9);
        assert!((Sample::parallel(times, Duration::from_millis(20)).rate - 200.0).abs() < 1e-9);
        assert_eq!(Sample::sequential(Vec::new()).percentile(50), 0.0);
    }
}
