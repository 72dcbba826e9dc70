//! One simulation, from its seed to its end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Once};
use std::time::Duration;

use ropewalk::document::{Command, Refused};
use ropewalk::name::DocumentName;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::person::{Person, Screen};
use crate::plan::Plan;
use crate::ranges::Said;
use crate::rng::Rng;
use crate::server::Server;
use crate::stranger::Stranger;
use crate::world::{Phase, World};

/// Everybody must be at rest after this time.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two attempts.
const RETRY: Duration = Duration::from_millis(300);

thread_local! {
    /// The first panic on this thread: the server's tasks catch theirs.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What came of a seed.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The hash of all that happened, and how much that was.
    pub trace: (u64, u64),
    pub failure: Option<String>,
}

/// Runs a seed. The same seed always does the same.
pub fn run(seed: u64, prints: bool) -> Outcome {
    watch_panics();
    PANIC.take();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut rng = Rng::new(seed);
            let plan = Plan::new(&mut rng);
            if prints {
                eprintln!("{plan:#?}");
            }
            let world = World::new(plan, rng, prints);
            tokio::select! {
                biased;
                () = world.failed() => {}
                ended = simulate(&world) => if let Err(broken) = ended {
                    world.fail(format_args!("{broken}"));
                },
            }
            world.server.end();
            (world.trace.end(), world.failure())
        })
    }));
    let (trace, failure) = ran.unwrap_or_default();
    drop(runtime);
    let panic = PANIC.take().map(|panic| format!("a panic: {panic}"));
    Outcome {
        trace,
        failure: panic.or(failure),
    }
}

fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANIC.with_borrow_mut(|panic| panic.get_or_insert_with(|| info.to_string()).len());
            usual(info);
        }));
    });
}

async fn simulate(world: &Arc<World>) -> Result<(), String> {
    let server = tokio::spawn(Server::run(world.clone()));
    let documents: Vec<DocumentName> = (0..world.plan.documents)
        .filter_map(|number| DocumentName::new(&format!("d{number}")).ok())
        .collect();
    let mut people = Vec::new();
    for number in 0..world.plan.people {
        let document = documents[number % documents.len()].clone();
        people.push(appear(world, document));
    }
    for _ in 0..world.plan.hostile {
        let document = world.draw(|rng| rng.index(documents.len()));
        let rng = world.draw(Rng::fork);
        let stranger = Stranger::new(world, documents[document].clone(), rng);
        tokio::spawn(stranger.run());
    }
    let tidies = tokio::spawn(tidy(world.clone(), documents.clone()));
    work(world).await;
    world.set(Phase::Rest);
    // What is asked for waits behind what people have typed: on a slow disk it is their turn when those are done.
    tidies.await.map_err(|error| error.to_string())?;
    // Somebody who has only looked sees what the server has.
    people.extend(documents.iter().map(|name| appear(world, name.clone())));
    let screens: Vec<Screen> = people.iter().map(|(screen, _)| screen.clone()).collect();
    rest(world, &screens).await?;
    for screen in &screens {
        let seen = screen.see();
        let text = seen.replica.text();
        world.oracle().check(&seen.document, &text)?;
    }

    // Once more from the disk alone, with nobody there who could mend what it lacks.
    for (_, task) in people {
        task.abort();
    }
    world.server.power().fail();
    let mut all = screens;
    all.extend(documents.iter().map(|name| appear(world, name.clone()).0));
    rest(world, &all).await?;
    server.abort();
    Ok(())
}

fn appear(world: &Arc<World>, document: DocumentName) -> (Screen, JoinHandle<()>) {
    let person = Person::new(world, document, world.draw(Rng::fork));
    (person.screen(), tokio::spawn(person.run()))
}

/// Lets people work, and takes away power and people when it is time.
async fn work(world: &Arc<World>) {
    let began = Instant::now();
    let mut events: Vec<(Duration, Option<Duration>)> =
        world.plan.crashes.iter().map(|at| (*at, None)).collect();
    events.extend(world.plan.lulls.iter().map(|(at, long)| (*at, Some(*long))));
    events.sort();
    for (at, lull) in events {
        sleep_until(began + at).await;
        match lull {
            Some(long) => world.set(Phase::Lull(Instant::now() + long)),
            None => world.server.power().fail(),
        }
    }
    sleep_until(began + world.plan.work).await;
}

/// Puts documents into the trash and takes them back, however often it has to ask.
async fn tidy(world: Arc<World>, documents: Vec<DocumentName>) {
    let began = Instant::now();
    for (at, which, long) in &world.plan.trash {
        let name = &documents[*which];
        sleep_until(began + *at).await;
        loop {
            let delete = |reply| Command::Delete {
                only_at: None,
                reply,
            };
            let asked = Server::ask(&world, name, delete).await;
            world
                .trace
                .note(format_args!("{name} into the trash: {asked:?}"));
            if world.disk.trashed(name).is_some() || asked == Err(Refused::NotFound) {
                break;
            }
            sleep(RETRY).await;
        }
        sleep(*long).await;
        while let Some(id) = world.disk.trashed(name) {
            let take_back = |reply| Command::TakeBack { id, reply };
            let asked = Server::ask(&world, name, take_back).await;
            world.trace.note(format_args!("{name} back: {asked:?}"));
            sleep(RETRY).await;
        }
    }
}

/// Waits until everybody has everything, and everything is saved.
async fn rest(world: &World, screens: &[Screen]) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut calm = false;
    loop {
        sleep(Duration::from_millis(500)).await;
        match at_rest(world, screens) {
            Ok(()) if calm => return Ok(()),
            Ok(()) => {
                // What is still on its way arrives.
                calm = true;
                sleep(Duration::from_secs(5)).await;
            }
            Err(why) if Instant::now() > deadline => return Err(format!("no rest: {why}")),
            Err(_) => calm = false,
        }
    }
}

fn at_rest(world: &World, screens: &[Screen]) -> Result<(), String> {
    for screen in screens {
        let seen = screen.see();
        let author = seen.author;
        if !seen.exchanged {
            return Err(format!("author {author} has no line"));
        }
        if seen.saved < seen.edits {
            return Err(format!(
                "author {author}: {} of {} saved",
                seen.saved, seen.edits
            ));
        }
        let waiting = seen.replica.waiting();
        let mut clients = waiting.clients();
        // What others saw of a page that was closed before it was saved may never come.
        if let Some(client) = clients.find(|client| !world.oracle().is_gone(*client)) {
            return Err(format!("author {author} waits for {client}: {waiting:?}"));
        }
    }
    let mut known = BTreeMap::new();
    for screen in screens {
        let mut seen = screen.see();
        let author = seen.author;
        let state = (seen.replica.said(), seen.replica.text());
        let (first, same) = known
            .entry(seen.document.clone())
            .or_insert_with(|| (author, state.clone()));
        if *same != state {
            let gone = |client| world.oracle().is_gone(client);
            if same.0.differs(&state.0).all(gone) && same.0 != state.0 {
                // What of a closed page was never saved is known to whoever saw it, and may have waited there for
                // what the server had: then the server hears of it when they come again.
                world.nudge();
            }
            let lacks = |some: &Said, other: &Said| some.lacks(other).unwrap_or("nothing".into());
            return Err(format!(
                "authors {first} and {author} differ: they lack {} and {}",
                lacks(&same.0, &state.0),
                lacks(&state.0, &same.0)
            ));
        }
    }
    Ok(())
}
