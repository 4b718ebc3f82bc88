// Prints etcd's flags, the key of its configuration file behind each, and that file's keys with their defaults.
// Built against a copy of go.etcd.io/etcd/server/v3 to which `generate` adds two exported functions (etcdmain.Flags, embed.File).
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

type Flag struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Default    string `json:"default"`
	Deprecated bool   `json:"deprecated,omitempty"`
	File       string `json:"file,omitempty"`
}

type Field struct {
	Path        string `json:"path"`
	Type        string `json:"type"`
	Pointer     bool   `json:"pointer,omitempty"`
	ZeroIsUnset bool   `json:"zeroIsUnset,omitempty"`
	Default     any    `json:"default"`
}

func main() {
	fields := map[string]*Field{}
	walk("", reflect.ValueOf(embed.File()), fields)
	var flags []Flag
	etcdmain.Flags().VisitAll(func(f *flag.Flag) {
		x := Flag{Name: f.Name, Type: typeName(f.Value), Default: f.DefValue, File: key(f.Name, fields)}
		usage := strings.ToLower(f.Usage)
		x.Deprecated = strings.Contains(usage, "deprecated") || x.Type == "ignored"
		flags = append(flags, x)
		// keys that hold a text which is translated later: empty stands for the default of the flag of that name
		if c, ok := fields[x.File]; ok && c.Type == "string" && c.Default == "" && x.Type != "string" && f.DefValue != "" {
			c.Default, c.ZeroIsUnset = f.DefValue, true
		}
	})
	var list []Field
	for _, f := range fields {
		list = append(list, *f)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Path < list[j].Path })
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"flags": flags, "fields": list}); err != nil {
		fmt.Fprintln(os.Stderr, "tables:", err)
		os.Exit(1)
	}
}

// typeName is the Go type behind a flag, as pflag would call it where it has a name for it
func typeName(v flag.Value) string {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	n := t.Name()
	if n == "featureGate" {
		return "mapStringBool"
	}
	n = strings.TrimSuffix(strings.TrimSuffix(n, "Value"), "Flag")
	return strings.ToLower(n[:1]) + n[1:]
}

// key is where the file keeps what a flag sets
func key(name string, fields map[string]*Field) string {
	try := []string{name}
	if rest, ok := strings.CutPrefix(name, "peer-"); ok {
		try = append(try, "peer-transport-security."+rest, "peer-transport-security."+strings.TrimPrefix(rest, "cert-"))
	} else if rest, ok := strings.CutPrefix(name, "discovery-"); ok {
		try = append(try, "discovery-config."+rest, "discovery-config.client."+rest, "discovery-config.client.secure."+rest, "discovery-config.client.auth."+rest)
	} else {
		try = append(try, "client-transport-security."+name, "client-transport-security."+strings.TrimPrefix(name, "client-cert-"))
	}
	if name == "discovery-user" {
		try = append(try, "discovery-config.client.auth.username")
	}
	if name == "experimental-snapshot-catchup-entries" {
		try = append(try, "experimental-snapshot-catch-up-entries")
	}
	for _, t := range try {
		if _, ok := fields[t]; ok {
			return t
		}
	}
	return ""
}

func walk(prefix string, v reflect.Value, out map[string]*Field) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if tag == "-" || !sf.IsExported() && !sf.Anonymous {
			continue
		}
		if tag == "" {
			if sf.Anonymous {
				walk(prefix, v.Field(i), out)
			}
			continue
		}
		path := prefix + tag
		f := &Field{Path: path}
		fv, ft := v.Field(i), sf.Type
		if ft.Kind() == reflect.Pointer && ft.Elem().PkgPath() == t.PkgPath() && ft.Elem().Kind() == reflect.Struct {
			ft = ft.Elem()
			if fv.IsNil() { // a part that is not there unless the file has it
				fv = reflect.New(ft)
			}
			fv = fv.Elem()
		}
		switch {
		case sf.Type == reflect.TypeOf(time.Duration(0)):
			f.Type, f.Default, f.Pointer = "duration", time.Duration(fv.Int()).String(), fv.Int() != 0
		case sf.Type.Kind() == reflect.Bool:
			f.Type, f.Default, f.Pointer = "bool", fv.Bool(), fv.Bool()
		case sf.Type.Kind() == reflect.String:
			f.Type, f.Default, f.Pointer = "string", fv.String(), fv.String() != ""
		case fv.CanInt():
			f.Type, f.Default, f.Pointer = "int64", fv.Int(), fv.Int() != 0
		case fv.CanUint():
			f.Type, f.Default, f.Pointer = "uint64", fv.Uint(), fv.Uint() != 0
			if sf.Type.Kind() == reflect.Uint32 {
				f.Type = "uint32"
			}
		case sf.Type.Kind() == reflect.Slice && sf.Type.Elem().Kind() == reflect.String:
			d := []string{}
			for j := range fv.Len() {
				d = append(d, fv.Index(j).String())
			}
			f.Type, f.Default, f.Pointer = "list", d, len(d) > 0
		case sf.Type == reflect.TypeOf([]url.URL{}):
			f.Type, f.Default = "any", nil
		case ft.Kind() == reflect.Struct && ft != reflect.TypeOf(url.URL{}):
			walk(path+".", fv, out)
			continue
		default:
			f.Type, f.Default = "any", nil
		}
		out[path] = f
	}
}
