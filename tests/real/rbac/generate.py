"""Roles, bindings, aggregation and questions that follow from a seed. What is rare in clusters is common here: stars where they mean
nothing, names that are empty, subjects under another kind's name, references to what does not exist."""

VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*", "impersonate", "bind", "escalate", "use", "get*", ""]
GROUPS = ["", "apps", "batch", "*", "rbac.authorization.k8s.io", "example.com", "*.k8s.io"]
PLAIN = ["pods", "secrets", "deployments", "jobs", "nodes", "namespaces", "users", "roles", "widgets"]
SUBS = ["", "exec", "log", "status", "scale", "token", "proxy", "*"]
PATTERNS = ["*", "*/scale", "*/exec", "*/*", "pods/*", "*scale", "*/", "/exec", "pods/exec/x"]
NAMES = ["a", "b", "a-b", "web", "*", "", "a/b"]
PATHS = ["/metrics", "/metrics/*", "/metrics*", "*", "/healthz", "/healthz/*", "/api/**", "/api/*/x", "/*", "/logs/", "metrics"]
ASKED_PATHS = ["/metrics", "/metrics/", "/metrics/cadvisor", "/metricsx", "/healthz/etcd", "/api/v1", "/api/v1/x", "/logs/", "/logs/x", "/", "metrics"]


def some(r, words, low=1, high=3):
    return [r.choice(words) for _ in range(r.randint(low, high))]


def resource(r):
    if r.random() < 0.3:
        return r.choice(PATTERNS)
    sub = r.choice(SUBS) if r.random() < 0.5 else ""
    return r.choice(PLAIN) + (f"/{sub}" if sub else "")


def rule(r, cluster):
    if cluster and r.random() < 0.15:
        return {"verbs": some(r, VERBS), "nonResourceURLs": some(r, PATHS)}
    made = {"verbs": some(r, VERBS), "apiGroups": some(r, GROUPS), "resources": [resource(r) for _ in range(r.randint(1, 3))]}
    if r.random() < 0.3:
        made["resourceNames"] = some(r, NAMES)
    return made


def rules(r, cluster):
    return [rule(r, cluster) for _ in range(r.choice([0, 1, 1, 2, 2, 3, 5]))]


class Set:
    """One set: its own namespaces, users and groups, so that a binding of everything opens no other set."""

    def __init__(self, r, number):
        self.r, self.p = r, f"s{number}-"
        self.namespaces = [self.p + x for x in "abc"]
        self.users = [self.p + x for x in ("u0", "u1", "u2", "u 3", "u:4", "U5")]
        self.groups = [self.p + x for x in ("g0", "g1", "g:2")]
        self.accounts = [(n, x) for n in self.namespaces for x in ("default", "app")]
        self.objects = []

    def meta(self, name, namespace=None):
        m = {"name": name, "labels": {"set": self.p.strip("-")}}
        if namespace:
            m["namespace"] = namespace
        for label in ("one", "two"):
            if self.r.random() < 0.4:
                m["labels"][label] = self.r.choice(["true", "false"])
        return m

    def role_names(self):
        return [self.p + f"r{i}" for i in range(5)]

    def subject(self, namespaced):
        r = self.r
        kind = r.choice(["user", "user", "group", "group", "account", "account", "as-user", "broad", "broad"])
        named = lambda kind, name: {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        if kind == "user":
            # a group's name for a user, and the other way round, is somebody else
            return named("User", r.choice(self.users + self.groups))
        if kind == "group":
            return named("Group", r.choice(self.groups + self.users[:1] + [f"system:serviceaccounts:{r.choice(self.namespaces)}"]))
        namespace, name = r.choice(self.accounts)
        if kind == "account":
            s = {"kind": "ServiceAccount", "name": name}
            if not namespaced or r.random() < 0.6:
                s["namespace"] = namespace
            return s
        if kind == "as-user":
            return named("User", f"system:serviceaccount:{namespace}:{name}")
        if not namespaced:
            return named("User", r.choice(self.users))
        return named("Group", r.choice(["system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:masters"]))

    def binding(self, name, namespace):
        r = self.r
        kind = "RoleBinding" if namespace else "ClusterRoleBinding"
        to = r.choice(["Role", "ClusterRole"]) if namespace else "ClusterRole"
        role = r.choice(self.role_names() + [self.p + "agg0", self.p + "agg1", self.p + "missing"])
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": self.meta(name, namespace),
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": to, "name": role},
                "subjects": [self.subject(bool(namespace)) for _ in range(r.randint(0, 4))]}

    def selector(self):
        r = self.r
        s = {"matchLabels": {"set": self.p.strip("-")}}
        if r.random() < 0.5:
            s["matchLabels"][r.choice(["one", "two"])] = r.choice(["true", "false"])
        if r.random() < 0.5:
            operator = r.choice(["In", "NotIn", "Exists", "DoesNotExist"])
            e = {"key": r.choice(["one", "two"]), "operator": operator}
            if operator in ("In", "NotIn"):
                e["values"] = r.choice([["true"], ["false"], ["true", "false"]])
            s["matchExpressions"] = [e]
        return s

    def role(self, name, namespace=None):
        kind = "Role" if namespace else "ClusterRole"
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": self.meta(name, namespace), "rules": rules(self.r, not namespace)}

    def generate(self):
        r = self.r
        for name in self.role_names():
            if r.random() < 0.7:
                self.objects.append(self.role(name))
            for namespace in self.namespaces:
                if r.random() < 0.4:
                    self.objects.append(self.role(name, namespace))
        for i in range(r.choice([0, 1, 2])):
            aggregated = self.role(self.p + f"agg{i}")
            aggregated["aggregationRule"] = {"clusterRoleSelectors": [self.selector() for _ in range(r.randint(1, 2))]}
            # one that others select would be written again and again until all agree; the first may select the second
            aggregated["metadata"]["labels"] = {"set": self.p.strip("-") + ("" if i else "-top")}
            aggregated["rules"] = []
            self.objects.append(aggregated)
        for i in range(r.randint(1, 4)):
            self.objects.append(self.binding(self.p + f"b{i}", None))
        for i in range(r.randint(2, 8)):
            self.objects.append(self.binding(self.p + f"b{i}", r.choice(self.namespaces)))
        unique = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in self.objects}
        self.objects = list(unique.values())
        return self

    def change(self, o):
        """Another content for an object; what cannot be changed (roleRef) stays."""
        new = json_copy(o)
        if "subjects" in o:
            new["subjects"] = [self.subject("namespace" in o["metadata"]) for _ in range(self.r.randint(0, 4))]
        elif "aggregationRule" not in o:
            new["rules"] = rules(self.r, o["kind"] == "ClusterRole")
            if o["kind"] == "ClusterRole":
                new["metadata"] = self.meta(o["metadata"]["name"])
        else:
            new["aggregationRule"] = {"clusterRoleSelectors": [self.selector()]}
        return new

    # ---- questions ----
    def identity(self, binding):
        r = self.r
        user, groups = r.choice(self.users), []
        subjects = binding.get("subjects") or []
        if subjects and r.random() < 0.85:
            s = r.choice(subjects)
            if s["kind"] == "User":
                user = s["name"]
            elif s["kind"] == "Group":
                groups = [s["name"]]
                if s["name"].startswith("system:") and r.random() < 0.7:
                    # whom authentication puts into it, if anyone asks it to
                    groups = []
                    namespace = s["name"].removeprefix("system:serviceaccounts").removeprefix(":") or r.choice(self.namespaces)
                    if s["name"] == "system:unauthenticated":
                        user = "system:anonymous"
                    elif s["name"].startswith("system:serviceaccounts"):
                        user = f"system:serviceaccount:{namespace}:default"
            else:
                namespace = s.get("namespace") or binding["metadata"].get("namespace") or "x"
                user = f"system:serviceaccount:{namespace}:{s['name']}"
        if r.random() < 0.15:
            groups.append(r.choice(self.groups))
        if "system:masters" in groups and r.random() < 0.8:
            groups = [g for g in groups if g != "system:masters"]
        if r.random() < 0.05:
            user = r.choice(["system:anonymous", f"system:serviceaccount:{r.choice(self.namespaces)}", user.upper(), user + "x"])
        return user, groups

    def question(self, bindings, roles):
        """A request near to what a binding grants"""
        r = self.r
        of = lambda b: ("" if b["roleRef"]["kind"] == "ClusterRole" else b["metadata"].get("namespace"), b["roleRef"]["name"])
        binding = r.choice(bindings)
        full = [b for b in bindings if roles.get(of(b)) and b.get("subjects")]
        if full and r.random() < 0.8:
            binding = r.choice(full)
        namespace = binding["metadata"].get("namespace")
        given = roles.get(of(binding)) or []
        user, groups = self.identity(binding)
        # where no group is named, authentication's own may be what decides
        q = {"user": user, "groups": groups, "exact": r.random() < (0.85 if groups else 0.5)}
        made = r.choice(given) if given and r.random() < 0.9 else rule(r, True)
        q["verb"] = r.choice(made["verbs"]) if r.random() < 0.85 else r.choice(VERBS)
        if q["verb"] == "*" and r.random() < 0.7:
            q["verb"] = r.choice(VERBS)
        if "nonResourceURLs" in made:
            path = r.choice(made["nonResourceURLs"])
            q["path"] = r.choice(ASKED_PATHS) if r.random() < 0.5 else path.replace("*", r.choice(["", "x", "x/y"]))
            return q
        group = r.choice(made["apiGroups"])
        q["group"] = r.choice(GROUPS) if r.random() < 0.1 or group == "*" and r.random() < 0.7 else group
        name = r.choice(made["resources"])
        plain, _, sub = name.partition("/")
        if plain == "*" and r.random() < 0.8:
            plain = r.choice(PLAIN)
            sub = sub or (r.choice(SUBS) if r.random() < 0.3 else "")
        if r.random() < 0.12:
            sub = r.choice(SUBS)
        q["resource"], q["subresource"] = plain, sub
        if made.get("resourceNames") and r.random() < 0.85:
            q["name"] = r.choice(made["resourceNames"])
        elif r.random() < 0.3:
            q["name"] = r.choice(NAMES)
        q["namespace"] = (namespace or r.choice(["", *self.namespaces])) if r.random() < 0.85 else r.choice(["", *self.namespaces])
        return q


def json_copy(o):
    import json
    return json.loads(json.dumps(o))
