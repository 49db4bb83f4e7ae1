//! Original destinations that a worker knows: one subscription each, given up when idle.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::{Listener, Slot},
    discovery::Lookup,
    error::ErrorKind,
};

/// How long nobody may have dialled a destination before it is forgotten, and unsubscribed if no worker knows it.
pub const IDLE: Duration = Duration::from_secs(600);
/// The most destinations of a worker. When there are more, all that are not in use are forgotten.
pub(crate) const MAX: usize = 16 * 1024;

/// The original destinations that a worker knows.
#[derive(Debug, Default)]
pub struct Destinations {
    known: RefCell<HashMap<SocketAddr, Rc<Destination>>>,
}

/// An original destination.
#[derive(Debug)]
pub struct Destination {
    /// Its listener; holding it keeps the subscription.
    listener: Arc<Slot<Listener>>,
    /// When it was dialled last.
    used: Cell<Instant>,
    /// Who spoke first on its last connection, where nothing is declared.
    habit: Cell<Option<Habit>>,
}

/// Who speaks first at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// Who speaks first, if it is known, shared by the connections to one place.
pub type SharedHabit = Rc<Cell<Option<Habit>>>;

/// Who speaks first at the workload's own ports.
#[derive(Debug, Default)]
pub struct Habits {
    known: RefCell<HashMap<u16, SharedHabit>>,
}

impl Habits {
    /// Who spoke first on a port's last connection.
    #[must_use]
    pub fn of(&self, port: u16) -> SharedHabit {
        Rc::clone(self.known.borrow_mut().entry(port).or_default())
    }
}

impl Destinations {
    /// The destination at this address, asked for if it is not known.
    ///
    /// # Errors
    /// [`ErrorKind::Overload`] when more are in use than can be known, [`ErrorKind::ConfigTimeout`] when the control
    /// thread does not answer.
    pub async fn find(&self, config: &Lookup, address: SocketAddr) -> Result<Rc<Destination>, ErrorKind> {
        if let Some(known) = self.touch(address) {
            return Ok(known);
        }
        if self.known.borrow().len() >= MAX {
            self.sweep(Duration::ZERO);
            if self.known.borrow().len() >= MAX {
                return Err(ErrorKind::Overload);
            }
        }
        let listener = config.destination(address).await.ok_or(ErrorKind::ConfigTimeout)?;
        // Another connection may have asked at the same time: then its entry stays.
        if let Some(known) = self.touch(address) {
            return Ok(known);
        }
        let destination = Rc::new(Destination { listener, used: Cell::new(Instant::now()), habit: Cell::new(None) });
        self.known.borrow_mut().insert(address, Rc::clone(&destination));
        Ok(destination)
    }

    /// A known destination, marked as used.
    fn touch(&self, address: SocketAddr) -> Option<Rc<Destination>> {
        let known = Rc::clone(self.known.borrow().get(&address)?);
        known.used.set(Instant::now());
        Some(known)
    }

    /// Forgets what nobody is connected to and nobody has dialled for this long.
    pub fn sweep(&self, idle: Duration) {
        let stays = |destination: &Rc<Destination>| {
            Rc::strong_count(destination) > 1 || destination.used.get().elapsed() < idle
        };
        self.known.borrow_mut().retain(|_, destination| {
            let stays = stays(destination);
            if stays && Rc::strong_count(destination) > 1 {
                destination.used.set(Instant::now());
            }
            stays
        });
    }
}

impl Destination {
    /// Its listener.
    #[must_use]
    pub fn listener(&self) -> &Arc<Slot<Listener>> {
        &self.listener
    }

    /// Who spoke first on its last connection.
    #[must_use]
    pub fn habit(&self) -> &Cell<Option<Habit>> {
        &self.habit
    }
}
