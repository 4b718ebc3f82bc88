//! Who asks: user names, groups, and those that an API server adds by itself.

use std::borrow::Cow;

use crate::evidence::objects::Subject;

/// The group of every authenticated user.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of requests without credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The user of requests without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group that is allowed everything before RBAC is asked; no binding can take it away (k8s.io/kubernetes 1.36
/// `pkg/kubeapiserver/authorizer`, `NewPrivilegedGroups`).
pub const MASTERS: &str = "system:masters";
/// The group of every service account.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// The group of the nodes' own users.
pub const NODES: &str = "system:nodes";

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// A user as the authorizer sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user's name; empty where only groups are known.
    pub user: String,
    /// Its groups.
    pub groups: Vec<String>,
}

impl Identity {
    /// A user with its groups, and those that authentication adds: `system:authenticated` for everyone but the anonymous
    /// user, who gets `system:unauthenticated`; the groups of a service account (k8s.io/apiserver 1.36
    /// `authentication/group`, `authentication/serviceaccount`, `authentication/request/anonymous`).
    pub fn user<S: Into<String>>(name: impl Into<String>, groups: impl IntoIterator<Item = S>) -> Self {
        let mut identity = Self { user: name.into(), groups: groups.into_iter().map(Into::into).collect() };
        if identity.groups.is_empty()
            && let Some((namespace, _)) = service_account(&identity.user)
        {
            identity.groups.push(SERVICE_ACCOUNTS.to_owned());
            identity.groups.push(group_of_namespace(namespace));
        }
        identity.authenticated()
    }

    /// A service account.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self::user(user_of(namespace, name), Vec::<String>::new())
    }

    /// Exactly this user and these groups, as a SubjectAccessReview takes them: nothing is added.
    pub fn exact<S: Into<String>>(user: impl Into<String>, groups: impl IntoIterator<Item = S>) -> Self {
        Self { user: user.into(), groups: groups.into_iter().map(Into::into).collect() }
    }

    /// What a subject's holders surely are. Of a group no user name is known; the groups of service accounts imply one another.
    pub fn of(subject: &Subject) -> Self {
        match subject.kind.as_str() {
            "ServiceAccount" => Self::service_account(&subject.namespace, &subject.name),
            "Group" if subject.name == UNAUTHENTICATED => Self::user(ANONYMOUS, Vec::<String>::new()),
            "Group" => {
                let mut groups = vec![subject.name.clone()];
                if subject.name.starts_with("system:serviceaccounts:") {
                    groups.push(SERVICE_ACCOUNTS.to_owned());
                }
                Self { user: String::new(), groups }.authenticated()
            }
            _ => Self::user(subject.name.clone(), Vec::<String>::new()),
        }
    }

    /// True when every request is allowed before RBAC is asked.
    pub fn is_superuser(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    fn authenticated(mut self) -> Self {
        let has = |name: &str| self.groups.iter().any(|group| group == name);
        if self.user == ANONYMOUS {
            if !has(UNAUTHENTICATED) {
                self.groups.push(UNAUTHENTICATED.to_owned());
            }
        } else if !has(AUTHENTICATED) && !has(UNAUTHENTICATED) {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }
}

/// The user name of a service account.
pub fn user_of(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT}{namespace}:{name}")
}

/// The group of a namespace's service accounts.
pub fn group_of_namespace(namespace: &str) -> String {
    format!("{SERVICE_ACCOUNTS}:{namespace}")
}

/// Namespace and name of the service account whose user name this is (`serviceaccount.SplitUsername`).
pub fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')?;
    let fine = !namespace.is_empty() && !name.is_empty() && !name.contains(':');
    fine.then_some((namespace, name))
}

/// What a binding's subject is compared by. A service account is its user name and nothing else
/// (`serviceaccount.MatchesUsername`), so that `User system:serviceaccount:a:b` binds it as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Principal<'a> {
    User(Cow<'a, str>),
    Group(&'a str),
}

/// The principal of a binding's subject; `namespace` is that of the binding, empty for a cluster role binding. `None` for a
/// service account without a namespace there, and for an unknown kind: they bind nobody (k8s.io/kubernetes 1.36
/// `pkg/registry/rbac/validation/rule.go`, `appliesToUser`).
pub(super) fn principal<'a>(subject: &'a Subject, namespace: &str) -> Option<Principal<'a>> {
    match subject.kind.as_str() {
        "User" => Some(Principal::User(Cow::Borrowed(&subject.name))),
        "Group" => Some(Principal::Group(&subject.name)),
        "ServiceAccount" => {
            let namespace = if subject.namespace.is_empty() { namespace } else { &subject.namespace };
            (!namespace.is_empty()).then(|| Principal::User(Cow::Owned(user_of(namespace, &subject.name))))
        }
        _ => None,
    }
}
