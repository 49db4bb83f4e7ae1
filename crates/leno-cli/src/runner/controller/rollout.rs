//! The arithmetic of a Deployment: which pods to make and which to end next, given those that are there.
//!
//! Pure; called again on every change, so each call takes one step of a rolling update that readiness allows.

/// How pods of an old template give way to those of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Never more than `replicas + surge` pods, never fewer than `replicas - unavailable` ready ones.
    Rolling {
        /// How many pods may be there beyond the wanted number.
        surge: u32,
        /// How many of the wanted number may be missing.
        unavailable: u32,
    },
    /// All old pods end before the first new one starts.
    Recreate,
}

/// A pod of the Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is made from the newest template.
    pub(crate) current: bool,
    /// Whether it is ready (and has been for `minReadySeconds`).
    pub(crate) available: bool,
    /// Whether it is ending.
    pub(crate) terminating: bool,
}

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// How many pods of the newest template to make.
    pub(crate) create: u32,
    /// Which pods to end.
    pub(crate) delete: Vec<String>,
}

/// The next step towards `replicas` pods of the newest template. `members` are in the order of their making.
pub(crate) fn step(replicas: u32, strategy: Strategy, members: &[Member]) -> Step {
    let (old, new): (Vec<&Member>, Vec<&Member>) =
        members.iter().filter(|member| !member.terminating).partition(|member| !member.current);
    let superfluous = count(&new).saturating_sub(replicas);
    let mut delete = expendable(&new, superfluous, superfluous);
    delete.truncate(superfluous as usize);
    let mut step = Step { create: 0, delete };
    match strategy {
        Strategy::Recreate => {
            step.delete.extend(old.iter().map(|member| member.name.clone()));
            if !members.iter().any(|member| !member.current) {
                step.create = replicas.saturating_sub(count(&new));
            }
        }
        Strategy::Rolling { surge, unavailable } => {
            let total = count(&old) + count(&new);
            step.create = replicas.saturating_sub(count(&new)).min((replicas + surge).saturating_sub(total));
            let needed = replicas.saturating_sub(unavailable);
            let new_waiting = count(&new) - available(&new);
            // Old pods that are not ready serve nobody: they may go as soon as what is left, should the new ones that
            // are still starting fail, is as many as are needed.
            let unready = total.saturating_sub(needed).saturating_sub(new_waiting);
            let ready = (available(&old) + available(&new)).saturating_sub(needed);
            step.delete.extend(expendable(&old, unready, ready));
        }
    }
    step
}

fn count(members: &[&Member]) -> u32 {
    u32::try_from(members.len()).unwrap_or(u32::MAX)
}

fn available(members: &[&Member]) -> u32 {
    count(&members.iter().copied().filter(|member| member.available).collect::<Vec<_>>())
}

/// These, youngest first: at most `unready` of those that are not ready, then at most `ready` of those that are.
fn expendable(members: &[&Member], unready: u32, ready: u32) -> Vec<String> {
    let idle = members.iter().rev().filter(|member| !member.available).take(unready as usize);
    let serving = members.iter().rev().filter(|member| member.available).take(ready as usize);
    idle.chain(serving).map(|member| member.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, current: bool, available: bool) -> Member {
        Member { name: name.into(), current, available, terminating: false }
    }

    const ROLLING: Strategy = Strategy::Rolling { surge: 1, unavailable: 0 };

    #[test]
    fn makes_all_replicas_at_first() {
        assert_eq!(step(3, ROLLING, &[]), Step { create: 3, delete: vec![] });
    }

    #[test]
    fn a_rolling_update_never_has_fewer_ready_pods_than_wanted() {
        let mut pods = vec![pod("a", false, true), pod("b", false, true)];
        assert_eq!(step(2, ROLLING, &pods), Step { create: 1, delete: vec![] });
        pods.push(pod("c", true, false));
        assert_eq!(step(2, ROLLING, &pods), Step::default());
        pods[2].available = true;
        assert_eq!(step(2, ROLLING, &pods), Step { create: 0, delete: vec!["b".into()] });
        pods[1].terminating = true;
        assert_eq!(step(2, ROLLING, &pods), Step { create: 1, delete: vec![] });
    }

    #[test]
    fn an_update_goes_through_from_any_start() {
        for (replicas, surge, unavailable) in [(1, 1, 0), (3, 0, 1), (4, 2, 1), (10, 3, 2), (2, 1, 0)] {
            let strategy = Strategy::Rolling { surge, unavailable };
            let mut pods: Vec<Member> = (0..replicas).map(|n| pod(&format!("old{n}"), false, true)).collect();
            for round in 0..100 {
                let next = step(replicas, strategy, &pods);
                pods.retain(|pod| !next.delete.contains(&pod.name));
                assert!(pods.iter().filter(|pod| pod.available).count() as u32 >= replicas - unavailable);
                pods.iter_mut().for_each(|pod| pod.available = true);
                pods.extend((0..next.create).map(|n| pod(&format!("new{round}-{n}"), true, false)));
                assert!(pods.len() as u32 <= replicas + surge);
            }
            assert!(pods.len() as u32 == replicas && pods.iter().all(|pod| pod.current), "{pods:?}");
        }
    }

    #[test]
    fn broken_old_pods_go_first_and_do_not_block() {
        let pods = [pod("a", false, false), pod("b", false, true), pod("c", true, true)];
        assert_eq!(step(2, ROLLING, &pods), Step { create: 0, delete: vec!["a".into()] });
    }

    #[test]
    fn a_bad_new_template_leaves_the_old_pods_serving() {
        let pods = [pod("a", false, true), pod("b", false, true), pod("c", true, false)];
        assert_eq!(step(2, ROLLING, &pods), Step::default());
    }

    #[test]
    fn scaling_down_ends_the_unready_then_the_youngest() {
        let pods = [pod("a", true, true), pod("b", true, false), pod("c", true, true)];
        assert_eq!(step(2, ROLLING, &pods).delete, ["b"]);
        assert_eq!(step(1, ROLLING, &pods).delete, ["b", "c"]);
        assert_eq!(step(0, ROLLING, &pods).delete, ["b", "c", "a"]);
    }

    #[test]
    fn recreate_waits_for_the_last_old_pod() {
        let mut pods = vec![pod("a", false, true), pod("b", false, true)];
        assert_eq!(step(2, Strategy::Recreate, &pods), Step { create: 0, delete: vec!["a".into(), "b".into()] });
        pods.iter_mut().for_each(|pod| pod.terminating = true);
        assert_eq!(step(2, Strategy::Recreate, &pods), Step::default());
        assert_eq!(step(2, Strategy::Recreate, &[]), Step { create: 2, delete: vec![] });
    }
}
