//! A limited number of places for connections, shared out so that no client can sit on all of them.
//!
//! Letting new connections wait while old ones idle would hand the server to whoever connects first and stays. A limit for each address
//! was the alternative; it fails behind a load balancer, where all clients have one. So nothing is limited until there is no place
//! left, and then somebody who does nothing has to go: of the address that holds most, whoever has been idle longest. A client whose
//! idle connection is closed just makes a new one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;

/// Whoever came in a moment ago is not idle yet, unless its address holds more than half of the places.
const SETTLED: Duration = Duration::from_secs(1);

/// How long to wait for a place before the next one is asked to go.
const PATIENCE: Duration = Duration::from_millis(100);

/// The places of one server.
pub struct Places {
    most: usize,
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    number: u64,
    connections: HashMap<u64, Held>,
}

struct Held {
    address: IpAddr,
    activity: Activity,
    stop: CancellationToken,
}

/// A place that nobody sits on yet.
pub struct FreePlace {
    places: Arc<Places>,
    permit: OwnedSemaphorePermit,
}

/// A place with a connection on it; free again when dropped.
pub struct Place {
    places: Arc<Places>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many places.
    pub fn new(most: usize) -> Arc<Self> {
        let most = most.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            most,
            free: Arc::new(Semaphore::new(most)),
            taken: Mutex::default(),
        })
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.most.saturating_sub(self.free.available_permits())
    }

    /// A place, if there is one.
    pub fn try_take(self: &Arc<Self>) -> Option<FreePlace> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.free(permit))
    }

    /// A place for a connection that is there already. If there is none, idle connections are closed one after the other until there is;
    /// where all are busy, it waits.
    pub async fn take(self: &Arc<Self>) -> FreePlace {
        loop {
            if let Some(place) = self.try_take() {
                return place;
            }
            self.close_one();
            let waiting = Arc::clone(&self.free).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(PATIENCE, waiting).await {
                return self.free(permit);
            }
        }
    }

    fn free(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> FreePlace {
        FreePlace {
            places: Arc::clone(self),
            permit,
        }
    }

    /// Asks the connection to go that is idle longest, of the address that holds most of those that are.
    fn close_one(&self) {
        let taken = self.lock();
        let mut by_address: HashMap<IpAddr, usize> = HashMap::new();
        for held in taken.connections.values() {
            *by_address.entry(held.address).or_default() += 1;
        }
        let those_idle = taken.connections.values().filter_map(|held| {
            let idle = held.activity.idle_for()?;
            let neighbours = by_address.get(&held.address).copied().unwrap_or_default();
            let has_time = idle < SETTLED && neighbours <= self.most / 2;
            let may_go = !has_time && !held.stop.is_cancelled();
            may_go.then_some(((neighbours, idle), held))
        });
        if let Some((_, held)) = those_idle.max_by_key(|(order, _)| *order) {
            held.activity.turn_out();
            held.stop.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FreePlace {
    /// Puts a connection on the place. It is asked to go by `stop`.
    pub fn occupy(self, address: IpAddr, activity: Activity, stop: CancellationToken) -> Place {
        let mut taken = self.places.lock();
        taken.number += 1;
        let number = taken.number;
        let held = Held {
            address,
            activity,
            stop,
        };
        taken.connections.insert(number, held);
        drop(taken);
        Place {
            places: self.places,
            number,
            _permit: self.permit,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seat {
        stop: CancellationToken,
        activity: Activity,
        _place: Place,
    }

    async fn sit(places: &Arc<Places>, address: [u8; 4]) -> Seat {
        let (stop, activity) = (CancellationToken::new(), Activity::new());
        let free = places.take().await;
        Seat {
            _place: free.occupy(IpAddr::from(address), activity.clone(), stop.clone()),
            stop,
            activity,
        }
    }

    const ONE: [u8; 4] = [192, 0, 2, 1];
    const TWO: [u8; 4] = [192, 0, 2, 2];

    #[tokio::test(start_paused = true)]
    async fn who_holds_most_and_is_idle_longest_makes_room() {
        let places = Places::new(4);
        let other = sit(&places, TWO).await;
        let busy = sit(&places, ONE).await;
        let _request = busy.activity.begin();
        tokio::time::advance(Duration::from_secs(5)).await;
        let first = sit(&places, ONE).await;
        tokio::time::advance(Duration::from_secs(5)).await;
        let second = sit(&places, ONE).await;
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(places.taken(), 4);

        places.close_one();
        assert!(first.stop.is_cancelled());
        places.close_one();
        assert!(second.stop.is_cancelled());
        assert!(!busy.stop.is_cancelled() && !other.stop.is_cancelled());
        places.close_one();
        assert!(other.stop.is_cancelled(), "nobody else is idle");
        places.close_one();
        assert!(!busy.stop.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_there_as_soon_as_somebody_has_gone() {
        let places = Places::new(1);
        let seat = sit(&places, ONE).await;
        let stop = seat.stop.clone();
        tokio::spawn(async move {
            stop.cancelled().await;
            drop(seat);
        });
        sit(&places, TWO).await;
        assert_eq!(places.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_just_come_or_was_upgraded_stays() {
        let places = Places::new(2);
        let new = sit(&places, ONE).await;
        let upgraded = sit(&places, TWO).await;
        upgraded.activity.hand_over();
        places.close_one();
        assert!(!new.stop.is_cancelled());
        tokio::time::advance(SETTLED).await;
        places.close_one();
        places.close_one();
        assert!(new.stop.is_cancelled() && !upgraded.stop.is_cancelled());
    }
}
