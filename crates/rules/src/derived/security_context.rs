//! What a security context says: that of a pod, or that of a container.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::bodies::members;
use crate::derived::values::text;
use crate::json_test::number_of;

/// A security context. One that is not there says nothing.
pub(super) struct SecurityContext<'b> {
    pub(super) is_privileged: bool,
    pub(super) may_gain: bool,
    pub(super) is_unmasked: bool,
    pub(super) is_unconfined: bool,
    pub(super) users: Users,
    pub(super) capabilities: Option<Json<'b>>,
    pub(super) sysctls: Option<Json<'b>>,
}

impl<'b> SecurityContext<'b> {
    pub(super) fn new(context: Option<Json<'b>>) -> Self {
        let [
            privileged,
            windows,
            gain,
            mount,
            user,
            non_root,
            seccomp,
            app_armor,
            se_linux,
            capabilities,
            sysctls,
        ] = members(
            context,
            [
                "privileged",
                "windowsOptions",
                "allowPrivilegeEscalation",
                "procMount",
                "runAsUser",
                "runAsNonRoot",
                "seccompProfile",
                "appArmorProfile",
                "seLinuxOptions",
                "capabilities",
                "sysctls",
            ],
        );
        let kind =
            |profile: Option<Json<'b>>| profile.and_then(|profile| profile.last_member("type"));
        Self {
            is_privileged: is_true(privileged)
                || is_true(windows.and_then(|windows| windows.last_member("hostProcess"))),
            may_gain: is_true(gain),
            is_unmasked: is(mount, b"Unmasked"),
            is_unconfined: is(kind(seccomp), b"Unconfined")
                || is(kind(app_armor), b"Unconfined")
                || is(kind(se_linux), b"spc_t"),
            users: Users {
                user: user.map_or(Said::Nothing, said),
                non_root: non_root.map_or(Said::Nothing, said),
            },
            capabilities,
            sysctls,
        }
    }
}

/// What a security context says about users.
#[derive(Clone, Copy)]
pub(super) struct Users {
    user: Said,
    non_root: Said,
}

impl Users {
    /// What is said here, and where nothing is, there.
    pub(super) fn or(self, other: Self) -> Self {
        let known = |own, other| if own == Said::Nothing { other } else { own };
        Self {
            user: known(self.user, other.user),
            non_root: known(self.non_root, other.non_root),
        }
    }

    pub(super) fn is_root(self) -> bool {
        match self.user {
            Said::Zero => true,
            Said::Nothing => self.non_root == Said::False,
            Said::False | Said::Other => false,
        }
    }
}

/// What stands in the place of a user or of a truth value.
#[derive(Clone, Copy, PartialEq)]
enum Said {
    False,
    Nothing,
    Other,
    Zero,
}

fn said(value: Json<'_>) -> Said {
    match value.kind() {
        JsonKind::Null => Said::Nothing,
        JsonKind::Bool if value.raw() == b"false" => Said::False,
        JsonKind::Number if number_of(value) == Some(0.0) => Said::Zero,
        _ => Said::Other,
    }
}

/// Whether a value is `true`.
pub(super) fn is_true(value: Option<Json<'_>>) -> bool {
    value.is_some_and(|value| value.raw() == b"true")
}

fn is(value: Option<Json<'_>>, expected: &[u8]) -> bool {
    text(value).is_some_and(|text| *text == *expected)
}
