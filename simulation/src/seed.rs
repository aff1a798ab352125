//! One seed for everything. Each part of the world draws from a generator of its own, so that one more draw in
//! one part does not change what happens in the others.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The generator of one part of the world.
pub fn generator(seed: u64, part: &str) -> StdRng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(part.as_bytes());
    StdRng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn parts_and_seeds_draw_apart_and_repeat() {
        let draw = |seed, part| generator(seed, part).random::<u64>();
        assert_eq!(draw(1, "links"), draw(1, "links"));
        assert_ne!(draw(1, "links"), draw(2, "links"));
        assert_ne!(draw(1, "links"), draw(1, "views"));
    }
}
