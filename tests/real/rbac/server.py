"""A lone etcd and kube-apiserver (and one controller) on loopback, and a client for them."""
import concurrent.futures, contextlib, http.client, json, pathlib, signal, socket, ssl, subprocess, threading, time

TOKEN = "rbac-differential"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text[:500]}")
        self.code = code
        try:
            self.body = json.loads(text)["message"]
        except (ValueError, KeyError, TypeError):
            self.body = text


class Server:
    """Everything below one directory; `stop` ends what `start` began and nothing else."""

    def __init__(self, binaries, directory, controllers=("clusterrole-aggregation-controller",), users=(), whole=False, flags=(), fill=None):
        """users: names that get tokens (`NAME-token`); whole: accounts, admission and certificates work as in a cluster; flags: more words for the
        API server; fill: called with etcd's address before the API server starts"""
        self.binaries, self.dir, self.controllers = pathlib.Path(binaries), pathlib.Path(directory), controllers
        self.port, self.running, self.local, self.users, self.whole = free_port(), [], threading.local(), users, whole
        self.flags, self.fill = flags, fill

    def begin(self, name, *args):
        log = open(self.dir / f"{name}.log", "wb")
        self.running.append((name, subprocess.Popen([str(a) for a in args], stdout=log, stderr=subprocess.STDOUT, env={})))

    def start(self):
        client, peer = free_port(), free_port()
        subprocess.run(["openssl", "genrsa", "-out", self.dir / "sa.key", "2048"], check=True, capture_output=True)
        rows = [f'{TOKEN},admin,admin,"system:masters"', *(f"{u}-token,{u},{u}" for u in self.users)]
        (self.dir / "tokens.csv").write_text("\n".join(rows) + "\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ca", "-days", "1", "-keyout", self.dir / "ca.key",
                        "-out", self.dir / "ca.crt"], check=True, capture_output=True)
        self.begin("etcd", self.binaries / "etcd/etcd", f"--data-dir={self.dir}/etcd", f"--listen-client-urls=http://127.0.0.1:{client}",
                   f"--advertise-client-urls=http://127.0.0.1:{client}", f"--listen-peer-urls=http://127.0.0.1:{peer}",
                   f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}", f"--initial-cluster=default=http://127.0.0.1:{peer}", "--unsafe-no-fsync")
        if self.fill:
            self.wait("etcd is ready", lambda: self.answers(client))
            self.fill(f"http://127.0.0.1:{client}")
        self.begin("kube-apiserver", self.binaries / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{client}", f"--cert-dir={self.dir}/certs",
                   f"--secure-port={self.port}", "--bind-address=127.0.0.1", f"--authorization-mode={'Node,RBAC' if self.whole else 'RBAC'}", f"--token-auth-file={self.dir}/tokens.csv",
                   "--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://test.invalid", f"--service-account-key-file={self.dir}/sa.key",
                   f"--service-account-signing-key-file={self.dir}/sa.key", "--allow-privileged=true", f"--client-ca-file={self.dir}/ca.crt",
                   f"--{'enable' if self.whole else 'disable'}-admission-plugins={'NodeRestriction' if self.whole else 'ServiceAccount'}", *self.flags)
        self.wait("the API server is ready", lambda: self.ready(), 90)
        (self.dir / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": f"{self.dir}/certs/apiserver.crt"}}],
            "users": [{"name": "x", "user": {"token": TOKEN}}]}))
        if self.controllers:
            self.begin("kube-controller-manager", self.binaries / "kube-controller-manager", f"--kubeconfig={self.dir}/kubeconfig",
                       f"--controllers={','.join(self.controllers)}", "--leader-elect=false", "--secure-port=0", f"--service-account-private-key-file={self.dir}/sa.key",
                       f"--root-ca-file={self.dir}/ca.crt", f"--cluster-signing-cert-file={self.dir}/ca.crt", f"--cluster-signing-key-file={self.dir}/ca.key")

    def answers(self, port):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        return False

    def ready(self):
        with contextlib.suppress(OSError, Refused, http.client.HTTPException):
            return self.ask("GET", "/readyz", raw=True) == b"ok"
        return False

    def wait(self, what, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            for name, process in self.running:
                if process.poll() is not None:
                    tail = (self.dir / f"{name}.log").read_text(errors="replace")[-1500:]
                    raise SystemExit(f"{name} ended: {tail}")
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s: {what}")
            time.sleep(0.05)

    def ask(self, method, path, body=None, headers=None, raw=False, token=TOKEN, kind="application/json"):
        """One request; one connection per thread."""
        if not hasattr(self.local, "connection"):
            context = ssl.create_default_context(cafile=self.dir / "certs/apiserver.crt")
            self.local.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        head = [("Content-Type", kind), *([("Authorization", f"Bearer {token}")] if token else []), *(headers or [])]
        connection = self.local.connection
        try:
            connection.putrequest(method, path)
            data = b"" if body is None else json.dumps(body).encode()
            for name, value in [*head, ("Content-Length", str(len(data)))]:
                connection.putheader(name, value.encode())
            connection.endheaders(data)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            del self.local.connection
            raise
        if response.status >= 300:
            raise Refused(response.status, text.decode(errors="replace"))
        return text if raw else json.loads(text)

    def with_certificate(self, crt, key, work):
        """Does work over a connection with a client certificate"""
        context = ssl.create_default_context(cafile=self.dir / "certs/apiserver.crt")
        context.load_cert_chain(crt, key)
        before = getattr(self.local, "connection", None)
        self.local.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        try:
            return work()
        finally:
            if hasattr(self.local, "connection"):
                self.local.connection.close()
                del self.local.connection
            if before:
                self.local.connection = before

    def each(self, work, items, threads=8):
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, items))

    def stop(self):
        for _, process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


RBAC = "/apis/rbac.authorization.k8s.io/v1"
PLURAL = {"Role": "roles", "ClusterRole": "clusterroles", "RoleBinding": "rolebindings", "ClusterRoleBinding": "clusterrolebindings"}


def address(o, name=True):
    """Path of an RBAC object, or of its list"""
    from urllib.parse import quote
    namespace = o["metadata"].get("namespace")
    path = RBAC + (f"/namespaces/{namespace}" if namespace else "") + "/" + PLURAL[o["kind"]]
    return path + "/" + quote(o["metadata"]["name"], safe="") if name else path


def rbac_objects(server):
    """Roles and bindings as the API gives them"""
    items = lambda plural: server.ask("GET", f"{RBAC}/{plural}")["items"]
    return items("clusterroles") + items("roles"), items("clusterrolebindings") + items("rolebindings")
