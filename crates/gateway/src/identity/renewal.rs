//! Authorities whose files have changed, and which of them go in force.
//!
//! Each file stands for itself: a broken one leaves its own authorities as they were, and keeps no other from being renewed. Only
//! together can good files be wrong, when clients could pass for the front proxy (see `overlap`). Then as much goes in force as agrees with
//! what stays, and whatever does not is judged anew with the next change of either. To refuse both files for one was the alternative; it
//! would keep an authority that was withdrawn from clients in force because of a mistake about proxies.
//!
//! What is wrong is told when it changes, not at each look.

use std::sync::Arc;

use kubevigil_tls::{Authorities, Look};

use super::authenticator::IdentityError;
use super::certificate::Vouchers;
use super::overlap;

/// What a look at the files brought.
#[derive(Debug, Default)]
pub struct Renewal {
    /// How many sets of authorities were replaced.
    pub replaced: u64,
    /// What is wrong, if it was not told before.
    pub errors: Vec<IdentityError>,
}

/// Both sets of authorities, as far as there are any.
pub(super) struct Renewing<'v> {
    pub(super) proxies: Option<&'v Vouchers>,
    pub(super) clients: Option<&'v Vouchers>,
    /// Every name of a proxy's certificate will do.
    pub(super) any_name: bool,
}

impl Renewing<'_> {
    /// Whether those that were read may be in force together, and what is worth knowing of it.
    pub(super) fn judge(&self) -> Result<Option<&'static str>, IdentityError> {
        let Some(proxies) = self.proxies else {
            return Ok(None);
        };
        let clients = self.clients.map(Vouchers::latest);
        overlap::judge(&proxies.latest(), clients.as_deref(), self.any_name)
    }

    /// Reads the files and puts in force what has changed; with `insist`, what is wrong is told again. Two must not renew at once.
    pub(super) fn renew(&self, insist: bool) -> Renewal {
        let mut renewal = Renewal::default();
        let mut is_due = insist;
        let files = [
            ("front_proxy.ca", self.proxies),
            ("client_ca", self.clients),
        ];
        for (setting, vouchers) in files {
            match vouchers.map(|vouchers| vouchers.look(insist)) {
                Some(Ok(look)) => is_due |= look == Look::Replaced,
                Some(Err(error)) => renewal
                    .errors
                    .push(IdentityError::Authorities { setting, error }),
                None => {}
            }
        }
        if is_due {
            self.put_in_force(&mut renewal);
        }
        renewal
    }

    fn put_in_force(&self, renewal: &mut Renewal) {
        let (proxies, clients) = match (self.judge(), self.proxies, self.clients) {
            (Err(error), Some(proxies), Some(clients)) => {
                renewal.errors.push(error);
                self.agreeing(proxies, clients)
            }
            (_, proxies, clients) => (proxies.map(Vouchers::latest), clients.map(Vouchers::latest)),
        };
        for (vouchers, authorities) in [(self.proxies, proxies), (self.clients, clients)] {
            if let (Some(vouchers), Some(authorities)) = (vouchers, authorities) {
                renewal.replaced += u64::from(vouchers.put_in_force(authorities));
            }
        }
    }

    /// What may go in force of files that do not agree: one of them, if it agrees with what stays of the other.
    fn agreeing(&self, proxies: &Vouchers, clients: &Vouchers) -> Both {
        let agree = |proxies: &Authorities, clients: &Authorities| {
            overlap::judge(proxies, Some(clients), self.any_name).is_ok()
        };
        let (latest_proxies, latest_clients) = (proxies.latest(), clients.latest());
        if agree(&proxies.in_force(), &latest_clients) {
            (None, Some(latest_clients))
        } else if agree(&latest_proxies, &clients.in_force()) {
            (Some(latest_proxies), None)
        } else {
            (None, None)
        }
    }
}

/// Authorities of proxies and of clients; `None` leaves what is in force.
type Both = (Option<Arc<Authorities>>, Option<Arc<Authorities>>);
