//! Which kinds of trouble a seed has, and how big its world is.

use crate::rng::Rng;

/// The draw of one seed.
#[derive(Clone, Debug)]
pub struct Swarm {
    pub nodes: usize,
    pub controllers: usize,
    pub runs: usize,
    /// Nothing goes wrong but what users do.
    pub calm: bool,
    pub crash_controllers: bool,
    pub pause_controllers: bool,
    pub crash_agents: bool,
    pub pause_agents: bool,
    pub reboots: bool,
    pub cuts: bool,
    pub broken_watches: bool,
    pub lost_requests: bool,
    pub lost_replies: bool,
    pub slow_requests: bool,
    pub busy_server: bool,
    pub slow_watches: bool,
    pub kernel_errors: bool,
    pub slow_kernels: bool,
    pub journal_errors: bool,
    pub skewed_clocks: bool,
    pub hostile_users: bool,
    /// How many runs may be active at once.
    pub budget: usize,
}

impl Swarm {
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "swarm");
        let calm = rng.chance(300);
        let mut on = || !calm && rng.chance(400);
        Self {
            calm,
            crash_controllers: on(),
            pause_controllers: on(),
            crash_agents: on(),
            pause_agents: on(),
            reboots: on(),
            cuts: on(),
            broken_watches: on(),
            lost_requests: on(),
            lost_replies: on(),
            slow_requests: on(),
            busy_server: on(),
            slow_watches: on(),
            kernel_errors: on(),
            slow_kernels: on(),
            journal_errors: on(),
            skewed_clocks: on(),
            hostile_users: on(),
            nodes: 2 + rng.index(3),
            controllers: 1 + rng.index(2),
            runs: 3 + rng.index(12),
            budget: 1 + rng.index(3),
        }
    }

    /// Nothing goes wrong any more.
    pub fn heal(&mut self) {
        let Self { nodes, controllers, runs, skewed_clocks, budget, .. } = *self;
        *self = Self { nodes, controllers, runs, skewed_clocks, budget, ..Self::quiet() };
    }

    fn quiet() -> Self {
        Self {
            nodes: 0,
            controllers: 0,
            runs: 0,
            calm: true,
            crash_controllers: false,
            pause_controllers: false,
            crash_agents: false,
            pause_agents: false,
            reboots: false,
            cuts: false,
            broken_watches: false,
            lost_requests: false,
            lost_replies: false,
            slow_requests: false,
            busy_server: false,
            slow_watches: false,
            kernel_errors: false,
            slow_kernels: false,
            journal_errors: false,
            skewed_clocks: false,
            hostile_users: false,
            budget: 0,
        }
    }
}
