"""A user with some rights and a credential of his own, and what he finds: his namespace, an account that may do everything, a pod."""
import time

from server import RBAC, Refused

GROUP = "rbac.authorization.k8s.io"
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}


class Made:
    """A world: the way that must be said, and how it is walked."""

    def __init__(self, target, way, walk):
        self.target, self.way, self.walk = target, way, walk


def container(**more):
    return {"name": "main", "image": "localhost/probe:1", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}} | more


def pod_spec(account="default", **more):
    return {"serviceAccountName": account, "securityContext": RESTRICTED, "containers": [container()]} | more


class User:
    def __init__(self, server, name, less):
        self.server, self.name, self.less, self.namespace = server, name, less, name
        self.token = f"{name}-token"
        self.rules, self.undo = [], []
        self.make("/api/v1/namespaces", {"metadata": {"name": self.namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}, keep=True)
        server.wait(f"account default of {name}", lambda: self.exists(f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"))

    # ---- as the administrator ----
    def make(self, path, o, keep=False):
        made = self.server.ask("POST", path, o)
        if not keep:
            self.undo.append(f"{path}/{o['metadata']['name']}")
        return made

    def exists(self, path):
        try:
            self.server.ask("GET", path)
            return True
        except Refused as e:
            if e.code != 404:
                raise
            return False

    def may(self, verbs, group, resources, names=None, key=False):
        """A right; the key one is left out of the world that must not work"""
        if not (key and self.less):
            rule = {"verbs": verbs.split(","), "apiGroups": [group], "resources": resources.split(",")}
            self.rules.append(rule | ({"resourceNames": names.split(",")} if names else {}))

    def granted(self, within=False, role=None):
        """Makes the rights so far real, over the cluster or in his namespace; as a Role with role"""
        name, rules, self.rules = role or f"{self.name}-{len(self.undo)}", self.rules, []
        place = f"{RBAC}/namespaces/{self.namespace}"
        kind, path = ("Role", f"{place}/roles") if role else ("ClusterRole", f"{RBAC}/clusterroles")
        self.make(path, {"metadata": {"name": name}, "rules": rules})
        body = bound(name, kind, name, [person(self.name)])
        self.make(f"{place}/rolebindings" if within or role else f"{RBAC}/clusterrolebindings", body)
        if rules:
            rule = rules[-1]
            plain, _, sub = rule["resources"][-1].partition("/")
            attributes = {"verb": rule["verbs"][-1], "group": rule["apiGroups"][0], "resource": plain, "subresource": sub, "name": (rule.get("resourceNames") or [""])[0],
                          "namespace": self.namespace if within or role else ""}
            self.server.wait(f"{self.name} may {attributes}", lambda: self.review({"user": self.name, "resourceAttributes": attributes}))
        return name

    def review(self, spec):
        return self.server.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})["status"]["allowed"]

    def account(self, name="root", admin=True):
        """An account in his namespace, to which everything is let"""
        self.make(f"/api/v1/namespaces/{self.namespace}/serviceaccounts", {"metadata": {"name": name}})
        if admin:
            subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
            self.make(f"{RBAC}/clusterrolebindings", bound(f"{self.name}-{name}", "ClusterRole", "cluster-admin", [subject]))

    def pod(self, name="web", account="root", node=None, **more):
        spec = pod_spec(account, **more) | ({"nodeName": node} if node else {})
        return self.make(self.here("pods"), {"metadata": {"name": name}, "spec": spec})

    def node(self, name):
        self.make("/api/v1/nodes", {"metadata": {"name": name}})

    def token_in(self, pod):
        """What the kubelet does for a pod: a token of its account, bound to it. There is no kubelet here."""
        account, meta = pod["spec"]["serviceAccountName"], pod["metadata"]
        ref = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        path = f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token"
        return self.server.ask("POST", path, {"spec": {"boundObjectRef": ref}})["status"]["token"]

    def clean(self):
        for path in reversed(self.undo):
            try:
                self.server.ask("DELETE", path + "?gracePeriodSeconds=0")
            except Refused as e:
                if e.code != 404:
                    raise

    # ---- as himself ----
    def here(self, plural, group=""):
        return (f"/apis/{group}/v1" if group else "/api/v1") + f"/namespaces/{self.namespace}/{plural}"

    def do(self, method, path, body=None, token=None, headers=None):
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return self.server.ask(method, path, body, headers=headers, token=self.token if token is None else token, kind=kind)

    def must_reach(self, token=None, headers=None, seconds=5):
        """Everything is let to the holder; caches may take a moment"""
        end = time.monotonic() + seconds
        spec = {"resourceAttributes": {"verb": "*", "group": "*", "resource": "*"}}
        while True:
            said = self.do("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": spec}, token, headers)
            if said["status"]["allowed"]:
                return
            if time.monotonic() > end:
                raise Refused(403, "not everything is let")
            time.sleep(0.05)


def person(name, kind="User"):
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def bound(name, kind, role, subjects):
    return {"metadata": {"name": name}, "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role}, "subjects": subjects}
