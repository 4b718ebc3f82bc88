// etcd answers what etcd's own parser makes of a command line, its environment and a configuration file. One JSON object per line:
//
//	{"args": ["--client-cert-auth"], "env": {"ETCD_NAME": "x"}, "file": "text of a configuration file"}
//
// With "file" the text is written to a temporary file whose path replaces @FILE in args and env. One JSON line per case:
// {"ok": true, "values": {"client-cert-auth": true, ...}} with the values in force by the name of the flag (lists for URLs), or
// {"ok": false, "error": ...} where etcd would not start for its configuration. Nothing is started and nothing listens.
// Built against a copy of go.etcd.io/etcd/server/v3 to which `build` adds one exported function (etcdmain.Parse).
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

type question struct {
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"`
	File *string           `json:"file"`
}

type answer struct {
	OK     bool           `json:"ok"`
	Error  string         `json:"error,omitempty"`
	Values map[string]any `json:"values,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--one" {
		one(os.Args[2:])
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			b, _ := json.Marshal(ask(line))
			fmt.Println(string(b))
		}
		if err != nil {
			return
		}
	}
}

// ask runs the parser in a child: it ends the process where it refuses, and it reads the process's environment
func ask(line []byte) (a answer) {
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return answer{Error: "not a question: " + err.Error()}
	}
	path := ""
	if q.File != nil {
		f, err := os.CreateTemp("", "etcd-*.yaml")
		if err != nil {
			return answer{Error: err.Error()}
		}
		defer os.Remove(f.Name())
		io.WriteString(f, *q.File)
		f.Close()
		path = f.Name()
	}
	args := []string{"--one"}
	for _, x := range q.Args {
		args = append(args, strings.ReplaceAll(x, "@FILE", path))
	}
	self, err := os.Executable()
	if err != nil {
		return answer{Error: err.Error()}
	}
	c := exec.Command(self, args...)
	c.Env = []string{}
	for k, v := range q.Env {
		c.Env = append(c.Env, k+"="+strings.ReplaceAll(v, "@FILE", path))
	}
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return answer{Error: fmt.Sprintf("%v: %s", err, tail(errs.String()))}
	}
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return answer{Error: tail(out.String() + errs.String())} // --version and --help print and end
	}
	return a
}

// tail is what a refusing parser said last: its log line without the stack, or the first lines of its usage
func tail(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	last := lines[len(lines)-1]
	var log map[string]any
	if json.Unmarshal([]byte(last), &log) == nil {
		delete(log, "stacktrace")
		delete(log, "ts")
		b, _ := json.Marshal(log)
		return string(b)
	}
	return strings.Join(lines[:min(len(lines), 3)], " ")
}

func one(args []string) {
	cfg, err := etcdmain.Parse(args)
	a := answer{OK: err == nil}
	if err != nil {
		a.Error = err.Error()
	} else {
		a.Values = values(cfg)
	}
	b, err := json.Marshal(a)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(b))
}

func values(c *embed.Config) map[string]any {
	out := map[string]any{}
	v := reflect.ValueOf(*c)
	for i := range v.NumField() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		f := v.Field(i)
		if tag == "" || tag == "-" || !v.Type().Field(i).IsExported() {
			continue
		}
		switch {
		case f.Type() == reflect.TypeOf(time.Duration(0)):
			out[tag] = time.Duration(f.Int()).String()
		case f.Kind() == reflect.Bool, f.Kind() == reflect.String, f.CanInt(), f.CanUint():
			out[tag] = f.Interface()
		case f.Type() == reflect.TypeOf([]string{}):
			out[tag] = append([]string{}, f.Interface().([]string)...)
		}
	}
	for name, urls := range map[string][]url.URL{"listen-peer-urls": c.ListenPeerUrls, "listen-client-urls": c.ListenClientUrls,
		"listen-metrics-urls": c.ListenMetricsUrls, "initial-advertise-peer-urls": c.AdvertisePeerUrls, "advertise-client-urls": c.AdvertiseClientUrls} {
		list := []string{}
		for _, u := range urls {
			list = append(list, u.String())
		}
		out[name] = list
	}
	tls(out, "", "client-", c.ClientTLSInfo)
	tls(out, "peer-", "peer-", c.PeerTLSInfo)
	out["auto-tls"], out["peer-auto-tls"] = c.ClientAutoTLS, c.PeerAutoTLS
	return out
}

// prefix stands before most names; the revocation list and the allowed names have one of their own for clients
func tls(out map[string]any, prefix, own string, t transport.TLSInfo) {
	out[prefix+"cert-file"], out[prefix+"key-file"] = t.CertFile, t.KeyFile
	out[prefix+"client-cert-file"], out[prefix+"client-key-file"] = t.ClientCertFile, t.ClientKeyFile
	out[prefix+"client-cert-auth"], out[prefix+"trusted-ca-file"] = t.ClientCertAuth, t.TrustedCAFile
	out[own+"crl-file"] = t.CRLFile
}
