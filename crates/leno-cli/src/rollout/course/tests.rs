//! Rollouts of an object that is kept here, in no time.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use leno_api::runner::{CallCounts, Calls, Replaced};
use leno_manifest::Kind;
use leno_model::ServiceName;
use serde_json::json;

use super::*;
use crate::rollout::Choice;

/// What somebody else does to the object at each look.
type Meddle = Rc<dyn Fn(u32, &mut Option<Value>)>;

/// An object, and callers of whom so many a second fail once the canary gets something.
#[derive(Clone)]
struct Kept {
    object: Rc<RefCell<Option<Value>>>,
    started: Instant,
    good: f64,
    bad: f64,
    meddle: Meddle,
    looks: Rc<Cell<u32>>,
    /// Answers of `replace` that get lost though it was done.
    lost: Rc<Cell<u32>>,
}

impl Kept {
    fn new(good: f64, bad: f64) -> Self {
        let object = json!({
            "metadata": {"name": "shop", "namespace": "shop", "resourceVersion": "1"},
            "spec": {"service": "shop", "backends": [{"service": "v1", "weight": 100}, {"service": "v2", "weight": 0}]},
        });
        Self {
            object: Rc::new(RefCell::new(Some(object))),
            started: Instant::now(),
            good,
            bad,
            meddle: Rc::new(|_, _| {}),
            looks: Rc::default(),
            lost: Rc::default(),
        }
    }

    fn weights(&self) -> Vec<u64> {
        let object = self.object.borrow();
        let backends = object.as_ref().map(|object| object["spec"]["backends"].clone()).unwrap_or_default();
        backends.as_array().into_iter().flatten().filter_map(|it| it["weight"].as_u64()).collect()
    }
}

fn bump(object: &mut Value) {
    let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    object["metadata"]["resourceVersion"] = (version + 1).to_string().into();
}

impl Place for Kept {
    const LOOK: Duration = Duration::from_secs(1);

    async fn read(&self) -> anyhow::Result<Option<Value>> {
        self.looks.set(self.looks.get() + 1);
        let read = self.object.borrow().clone();
        (self.meddle)(self.looks.get(), &mut self.object.borrow_mut());
        Ok(read)
    }

    async fn replace(&self, object: &Value) -> Result<Replaced, NotReplaced> {
        let mut kept = self.object.borrow_mut();
        let known = kept.as_mut().ok_or(NotReplaced::Changed)?;
        if known["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            return Err(NotReplaced::Changed);
        }
        *known = object.clone();
        bump(known);
        if self.lost.get() > 0 {
            self.lost.set(self.lost.get() - 1);
            return Err(NotReplaced::Failed(anyhow::anyhow!("the connection broke")));
        }
        Ok(Replaced { object: known.clone(), in_files: true })
    }

    async fn calls(&self, service: &ServiceName) -> anyhow::Result<Calls> {
        assert_eq!(*service, ServiceName::new("shop", "v2"));
        let seconds = self.started.elapsed().as_secs_f64();
        let (requests, failed) = ((self.good + self.bad) * seconds, self.bad * seconds);
        let counts = CallCounts { requests, failed, durations: Vec::new() };
        Ok(Calls { callers: BTreeMap::from([("shop/client".to_owned(), Some(counts))]) })
    }

    async fn ready(&self, _: &ServiceName) -> anyhow::Result<Option<u32>> {
        Ok(Some(1))
    }
}

fn schedule() -> Schedule {
    let limits = Limits { error_rate: 0.01, p99: None, requests: 10 };
    Schedule {
        steps: vec![5, 50, 100],
        interval: Duration::from_secs(30),
        deadline: Duration::from_secs(600),
        pauses: BTreeMap::new(),
        limits,
        keep: false,
    }
}

struct Told {
    end: End,
    events: Vec<Event>,
    seconds: f64,
}

impl Told {
    fn steps(&self) -> Vec<u8> {
        let step = |event: &Event| if let Event::Step { step, .. } = event { Some(*step) } else { None };
        self.events.iter().filter_map(step).collect()
    }

    fn last(&self) -> String {
        self.events.last().map(Event::line).unwrap_or_default()
    }
}

async fn run_among(kept: &Kept, schedule: Schedule, interrupt: Interrupt, ask: fn() -> oneshot::Receiver<()>) -> Told {
    let object = kept.object.borrow().clone().unwrap();
    let choice = Choice { to: "v2".parse().unwrap(), from: None, rules: Vec::new() };
    let plan = Plan::new(Kind::TrafficSplit, &object, &choice).unwrap();
    let events = RefCell::new(Vec::new());
    let tell = |event: &Event| events.borrow_mut().push(event.clone());
    let started = Instant::now();
    let course = Course::new(kept.clone(), "TrafficSplit shop/shop".into(), &object, plan, schedule);
    let end = course.among(interrupt, ask, &tell).run().await;
    Told { end, events: events.into_inner(), seconds: started.elapsed().as_secs_f64() }
}

fn quiet() -> Interrupt {
    Interrupt(watch::channel(None).1)
}

fn nobody() -> oneshot::Receiver<()> {
    oneshot::channel().1
}

fn yes() -> oneshot::Receiver<()> {
    let (send, receive) = oneshot::channel();
    send.send(()).ok();
    receive
}

async fn run(kept: &Kept, schedule: Schedule) -> Told {
    run_among(kept, schedule, quiet(), nobody).await
}

#[tokio::test(start_paused = true)]
async fn a_good_canary_goes_through_all_steps() {
    let kept = Kept::new(10.0, 0.0);
    let told = run(&kept, schedule()).await;
    assert_eq!((told.end, told.steps(), kept.weights()), (End::Promoted, vec![5, 50, 100], vec![0, 100]));
    assert!((90.0..92.0).contains(&told.seconds), "{}", told.seconds);
    let warnings = told.events.iter().filter(|event| matches!(event, Event::InFiles { .. })).count();
    assert_eq!((warnings, told.last().as_str()), (1, "promoted: v2 gets 100%"));
}

#[tokio::test(start_paused = true)]
async fn a_bad_canary_is_rolled_back_at_once_and_the_reason_told() {
    let kept = Kept::new(0.0, 20.0);
    let told = run(&kept, schedule()).await;
    assert_eq!((told.end, told.steps(), kept.weights()), (End::RolledBack, vec![5], vec![100, 0]));
    assert!(
        told.seconds < 3.0 && told.last().contains("20 of 20 requests failed (100.0%), more than 1%"),
        "{}",
        told.last()
    );
    // A few failures are seen when the interval is over.
    let kept = Kept::new(98.0, 2.0);
    let told = run(&kept, Schedule { keep: true, ..schedule() }).await;
    assert_eq!((told.end, kept.weights()), (End::Stopped, vec![95, 5]));
    assert!(told.last().contains("2.0%") && told.last().contains("stay as they are"), "{}", told.last());
}

#[tokio::test(start_paused = true)]
async fn too_few_requests_hold_the_step_until_the_deadline() {
    let kept = Kept::new(0.1, 0.0);
    let told = run(&kept, Schedule { steps: vec![50], ..schedule() }).await;
    assert_eq!(told.end, End::Promoted);
    assert!((100.0..102.0).contains(&told.seconds), "ten requests take 100 s: {}", told.seconds);
    assert_eq!(told.events.iter().filter(|event| matches!(event, Event::Held { .. })).count(), 1);
    let kept = Kept::new(0.0, 0.0);
    let told = run(&kept, schedule()).await;
    assert_eq!((told.end, kept.weights()), (End::RolledBack, vec![100, 0]));
    assert!(told.last().contains("only 0 requests within 10m"), "{}", told.last());
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_is_left_as_it_is() {
    let mut kept = Kept::new(10.0, 0.0);
    // Between reading and writing the second step: the write is refused.
    kept.meddle = Rc::new(|look, object| {
        let Some(object) = object else { return };
        if object["spec"]["backends"][1]["weight"] == 5 && look == 32 {
            object["spec"]["backends"][0]["weight"] = 7.into();
            bump(object);
        }
    });
    let told = run(&kept, schedule()).await;
    assert_eq!((told.end, kept.weights()), (End::Stopped, vec![7, 5]));
    assert!(told.last().contains("spec.backends[0].weight was 95 and is 7"), "{}", told.last());
    kept = Kept::new(10.0, 0.0);
    kept.meddle = Rc::new(|look, object| {
        if look == 5 {
            *object = None
        }
    });
    let told = run(&kept, schedule()).await;
    assert_eq!(told.end, End::Stopped);
    assert!(told.last().contains("deleted by somebody else"), "{}", told.last());
}

#[tokio::test(start_paused = true)]
async fn edits_of_other_things_than_the_spec_do_not_matter() {
    let mut kept = Kept::new(10.0, 0.0);
    kept.meddle = Rc::new(|look, object| {
        let Some(object) = object else { return };
        if look % 31 == 1 {
            object["metadata"]["labels"]["look"] = look.to_string().into();
            bump(object);
        }
    });
    let told = run(&kept, schedule()).await;
    assert_eq!((told.end, kept.weights()), (End::Promoted, vec![0, 100]));
    assert!(kept.object.borrow().as_ref().unwrap()["metadata"]["labels"]["look"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_rolled_back_all_the_same() {
    let kept = Kept::new(10.0, 0.0);
    kept.lost.set(1);
    let told = run(&kept, schedule()).await;
    assert_eq!((told.end, kept.weights()), (End::RolledBack, vec![100, 0]));
    assert!(told.last().contains("the connection broke"), "{}", told.last());
}

#[tokio::test(start_paused = true)]
async fn an_interruption_rolls_back() {
    let kept = Kept::new(10.0, 0.0);
    let (send, receive) = watch::channel(None);
    let later = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        send.send_replace(Some("SIGTERM"));
        std::future::pending::<()>().await;
    };
    let told = tokio::select! {
        told = run_among(&kept, schedule(), Interrupt(receive), nobody) => told,
        () = later => panic!("it never ends"),
    };
    assert_eq!((told.end, told.steps(), kept.weights()), (End::RolledBack, vec![5, 50], vec![100, 0]));
    assert!(told.last().ends_with("SIGTERM"), "{}", told.last());
}

#[tokio::test(start_paused = true)]
async fn a_pause_lasts_its_time_or_until_somebody_says_so() {
    let paused = |pause| Schedule { pauses: BTreeMap::from([(50, pause)]), ..schedule() };
    let told = run(&Kept::new(10.0, 0.0), paused(Pause::For(Duration::from_secs(100)))).await;
    assert!(told.end == End::Promoted && (190.0..192.0).contains(&told.seconds), "{}", told.seconds);
    let told = run_among(&Kept::new(10.0, 0.0), paused(Pause::UntilTold), quiet(), yes).await;
    assert!(told.events.contains(&Event::Resumed { step: 50 }) && told.end == End::Promoted);
    let told = run(&Kept::new(10.0, 0.0), paused(Pause::UntilTold)).await;
    assert!(told.end == End::RolledBack && told.last().contains("standard input has ended"), "{}", told.last());
}
