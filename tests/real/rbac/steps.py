"""The worlds of `edges`: roles, accounts, secrets, impersonation, certificates."""
import base64, subprocess

from server import RBAC
from user import GROUP, Made, bound, person

ROOT = "sa:{n}/root -> everything -> cluster-admin"
CERTIFICATES = "certificates.k8s.io"


def everything(u):
    u.may("get", "", "pods")
    u.may("*", "*", "*", key=True)
    u.granted()
    return Made("cluster-admin", "{u} -> everything -> cluster-admin", u.must_reach)


def bind_clusterroles(u):
    u.may("bind", GROUP, "clusterroles", key=True)
    u.may("create", GROUP, "clusterrolebindings")
    u.granted()

    def walk():
        u.do("POST", f"{RBAC}/clusterrolebindings", bound(f"{u.name}-own", "ClusterRole", "cluster-admin", [person(u.name)]))
        u.undo.append(f"{RBAC}/clusterrolebindings/{u.name}-own")
        u.must_reach()

    return Made("cluster-admin", "{u} -> bind clusterroles -> cluster-admin", walk)


def bind_one_clusterrole(u):
    u.make(f"{RBAC}/clusterroles", {"metadata": {"name": f"{u.name}-reader"}, "rules": [{"verbs": ["list"], "apiGroups": [""], "resources": ["secrets"]}]})
    u.may("bind", GROUP, "clusterroles", names=f"{u.name}-reader", key=True)
    u.may("create", GROUP, "clusterrolebindings")
    u.granted()

    def walk():
        u.do("POST", f"{RBAC}/clusterrolebindings", bound(f"{u.name}-own", "ClusterRole", f"{u.name}-reader", [person(u.name)]))
        u.undo.append(f"{RBAC}/clusterrolebindings/{u.name}-own")
        u.server.wait("the right is there", lambda: u.review({"user": u.name, "resourceAttributes": {"verb": "list", "resource": "secrets"}}))
        u.do("GET", "/api/v1/secrets")

    way = "{u} -> bind clusterroles named " + u.name + "-reader -> role " + u.name + "-reader -> list secrets in every namespace -> every secret"
    return Made("every secret", way, walk)


def bind_in_a_namespace(u):
    u.account()
    u.may("bind", GROUP, "clusterroles", key=True)
    u.may("create", GROUP, "rolebindings")
    u.granted(within=True)

    def walk():
        u.do("POST", f"{RBAC}/namespaces/{u.namespace}/rolebindings", bound("own", "ClusterRole", "cluster-admin", [person(u.name)]))
        mint(u)

    return Made("cluster-admin", "{u} -> bind clusterroles in {n} -> " + ROOT, walk)


def bind_roles(u):
    u.account()
    u.make(f"{RBAC}/namespaces/{u.namespace}/roles", {"metadata": {"name": "minter"}, "rules": [{"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"]}]})
    u.may("bind", GROUP, "roles", key=True)
    u.may("create", GROUP, "rolebindings")
    u.granted(within=True)

    def walk():
        u.do("POST", f"{RBAC}/namespaces/{u.namespace}/rolebindings", bound("own", "Role", "minter", [person(u.name)]))
        mint(u)

    return Made("cluster-admin", "{u} -> bind roles in {n} -> role minter in {n} -> create serviceaccounts/token in {n} -> " + ROOT, walk)


def escalate_clusterroles(u):
    u.may("escalate", GROUP, "clusterroles", key=True)
    u.may("patch", GROUP, "clusterroles")
    own = u.granted()

    def walk():
        u.do("PATCH", f"{RBAC}/clusterroles/{own}", {"rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]})
        u.must_reach()

    return Made("cluster-admin", "{u} -> escalate clusterroles -> cluster-admin", walk)


def escalate_roles(u):
    u.account()
    u.may("escalate", GROUP, "roles", key=True)
    u.may("update,patch", GROUP, "roles")
    u.granted(role="own")

    def walk():
        u.do("PATCH", f"{RBAC}/namespaces/{u.namespace}/roles/own", {"rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]})
        mint(u)

    return Made("cluster-admin", "{u} -> escalate roles in {n} -> " + ROOT, walk)


def make_and_bind_a_role(u):
    u.account()
    u.may("escalate", GROUP, "roles", key=True)
    u.may("bind,create", GROUP, "roles")
    u.may("create", GROUP, "rolebindings")
    u.granted(within=True)

    def walk():
        u.do("POST", f"{RBAC}/namespaces/{u.namespace}/roles", {"metadata": {"name": "new"}, "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]})
        u.do("POST", f"{RBAC}/namespaces/{u.namespace}/rolebindings", bound("new", "Role", "new", [person(u.name)]))
        mint(u)

    return Made("cluster-admin", "{u} -> escalate roles in {n} -> " + ROOT, walk)


def mint(u, name="root"):
    path = u.here(f"serviceaccounts/{name}/token")
    allowed = {"verb": "create", "resource": "serviceaccounts", "subresource": "token", "namespace": u.namespace, "name": name}
    try:
        u.server.wait("the right is there", lambda: u.review({"user": u.name, "resourceAttributes": allowed}), 3)
    except TimeoutError:
        pass    # then the request itself is refused
    u.must_reach(u.do("POST", path, {"spec": {}})["status"]["token"])


def mint_tokens(u):
    u.account()
    u.may("get", "", "serviceaccounts")
    u.may("create", "", "serviceaccounts/token", key=True)
    u.granted(within=True)
    return Made("cluster-admin", "{u} -> create serviceaccounts/token in {n} -> " + ROOT, lambda: mint(u))


def mint_a_named_token(u):
    u.account()
    u.may("create", "", "serviceaccounts/token", names="other" if u.less else "root")
    u.granted(within=True)
    return Made("cluster-admin", "{u} -> create serviceaccounts/token named root in {n} -> " + ROOT, lambda: mint(u))


def make_and_read_secrets(u):
    u.account()
    u.may("get", "", "secrets")
    u.may("create", "", "secrets", key=True)
    u.granted(within=True)

    def walk():
        u.do("POST", u.here("secrets"), {"metadata": {"name": "t", "annotations": {"kubernetes.io/service-account.name": "root"}}, "type": "kubernetes.io/service-account-token"})
        read = lambda: u.do("GET", u.here("secrets/t")).get("data", {}).get("token")
        u.server.wait("the controller fills the secret", read)
        u.must_reach(base64.b64decode(read()).decode())

    return Made("cluster-admin", "{u} -> create secrets and get secrets in {n} -> " + ROOT, walk)


def read_secrets(u):
    u.may("watch", "", "secrets", key=True)
    u.granted()
    # a watch begins with everything that is there
    walk = lambda: u.server.ask("GET", "/api/v1/secrets?watch=true&timeoutSeconds=1", token=u.token, raw=True)
    return Made("every secret", "{u} -> watch secrets in every namespace -> every secret", walk)


def impersonate_an_account(u):
    u.account()
    u.may("get", "", "serviceaccounts")
    u.may("impersonate", "", "serviceaccounts", key=True)
    u.granted(within=True)
    walk = lambda: u.must_reach(headers=[("Impersonate-User", f"system:serviceaccount:{u.namespace}:root")])
    return Made("cluster-admin", "{u} -> impersonate serviceaccounts in {n} -> " + ROOT, walk)


def impersonate_users(u):
    u.make(f"{RBAC}/clusterrolebindings", bound(f"{u.name}-joe", "ClusterRole", "cluster-admin", [person(f"{u.name}-joe")]))
    u.may("get", "", "pods")
    u.may("impersonate", "", "users", key=True)
    u.granted()
    walk = lambda: u.must_reach(headers=[("Impersonate-User", f"{u.name}-joe")])
    return Made("cluster-admin", "{u} -> impersonate users -> user:" + u.name + "-joe -> everything -> cluster-admin", walk)


def impersonate_groups(u):
    u.may("impersonate", "", "users", names="nobody")
    u.may("impersonate", "", "groups", key=True)
    u.granted()
    walk = lambda: u.must_reach(headers=[("Impersonate-User", "nobody"), ("Impersonate-Group", "system:masters")])
    return Made("cluster-admin", "{u} -> impersonate groups -> cluster-admin", walk)


def impersonate_with_constraints(u):
    u.account()
    u.may("impersonate:serviceaccount", "authentication.k8s.io", "serviceaccounts", names="root")
    u.may("impersonate-on:serviceaccount:create", "", "serviceaccounts/token", key=True)
    u.granted(within=True)

    def walk():
        acting = [("Impersonate-User", f"system:serviceaccount:{u.namespace}:root")]
        u.must_reach(u.do("POST", u.here("serviceaccounts/root/token"), {"spec": {}}, headers=acting)["status"]["token"])

    return Made("cluster-admin", "{u} -> impersonate-on:serviceaccount:create serviceaccounts/token in {n} -> " + ROOT, walk)


def impersonate_a_user_with_constraints(u):
    u.account()
    helper = f"{u.name}-helper"
    u.make(f"{RBAC}/clusterroles", {"metadata": {"name": helper}, "rules": [{"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"]}]})
    u.make(f"{RBAC}/namespaces/{u.namespace}/rolebindings", bound(helper, "ClusterRole", helper, [person(helper)]))
    u.may("impersonate:user-info", "authentication.k8s.io", "users", names=helper)
    u.granted()
    u.may("get", "", "pods")
    u.may("impersonate-on:user-info:create", "", "serviceaccounts/token", key=True)
    u.granted(within=True)

    def walk():
        acting = [("Impersonate-User", helper)]
        u.must_reach(u.do("POST", u.here("serviceaccounts/root/token"), {"spec": {}}, headers=acting)["status"]["token"])

    return Made("cluster-admin", "{u} -> impersonate-on:user-info:create serviceaccounts/token in {n} -> " + ROOT, walk)


# ---- certificates ----
def certificate(u, subject, signer):
    """Requests and approves a certificate; the controller signs it"""
    folder = u.server.dir
    key, name = folder / f"{u.name}.key", f"{u.name}-csr"
    csr = subprocess.run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", subject], check=True, capture_output=True).stdout
    path = f"/apis/{CERTIFICATES}/v1/certificatesigningrequests"
    usages = ["client auth", "digital signature", "key encipherment"] if signer.endswith("kubelet") else ["client auth"]
    o = u.do("POST", path, {"metadata": {"name": name}, "spec": {"request": base64.b64encode(csr).decode(), "signerName": signer, "usages": usages}})
    u.undo.append(f"{path}/{name}")
    o["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "mine"}]}
    u.do("PUT", f"{path}/{name}/approval", o)
    signed = lambda: u.server.ask("GET", f"{path}/{name}")["status"].get("certificate")
    u.server.wait("it is signed", signed)
    crt = folder / f"{u.name}.crt"
    crt.write_bytes(base64.b64decode(signed()))
    return crt, key


def approve_clients(u):
    ops = f"{u.name}-ops"
    u.make(f"{RBAC}/clusterrolebindings", bound(ops, "ClusterRole", "cluster-admin", [person(ops, "Group")]))
    u.may("create", CERTIFICATES, "certificatesigningrequests")
    u.may("update", CERTIFICATES, "certificatesigningrequests/approval")
    u.may("approve", CERTIFICATES, "signers", names="kubernetes.io/kube-apiserver-client", key=True)
    u.granted()
    walk = lambda: u.server.with_certificate(*certificate(u, f"/O={ops}/CN=x", "kubernetes.io/kube-apiserver-client"), lambda: u.must_reach(token=""))
    by = "create certificatesigningrequests and update certificatesigningrequests/approval and approve signers"
    return Made("cluster-admin", "{u} -> " + by + " -> group:" + ops + " -> everything -> cluster-admin", walk)


def approve_kubelets(u):
    node = f"{u.name}-node"
    u.account()
    u.node(node)
    pod = u.pod(node=node)
    u.may("create", CERTIFICATES, "certificatesigningrequests")
    u.may("update", CERTIFICATES, "certificatesigningrequests/approval")
    u.may("approve", CERTIFICATES, "signers", names="kubernetes.io/kube-apiserver-client-kubelet", key=True)
    u.granted()

    def walk():
        ref = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": pod["metadata"]["uid"]}
        ask = lambda: u.do("POST", u.here("serviceaccounts/root/token"), {"spec": {"boundObjectRef": ref}}, token="")["status"]["token"]
        pair = certificate(u, f"/O=system:nodes/CN=system:node:{node}", "kubernetes.io/kube-apiserver-client-kubelet")
        u.must_reach(u.server.with_certificate(*pair, ask))

    by = "create certificatesigningrequests and update certificatesigningrequests/approval and approve signers"
    return Made("cluster-admin", "{u} -> " + by + " -> " + ROOT, walk)


from steps_pods import WORLDS as OF_PODS  # noqa: E402

WORLDS = [everything, bind_clusterroles, bind_one_clusterrole, bind_in_a_namespace, bind_roles, escalate_clusterroles, escalate_roles, make_and_bind_a_role, mint_tokens,
          mint_a_named_token, make_and_read_secrets, read_secrets, impersonate_an_account, impersonate_users, impersonate_groups, impersonate_with_constraints,
          impersonate_a_user_with_constraints,
          approve_clients, approve_kubelets, *OF_PODS]
