// Package dump turns what a component registers at start (flags, configuration types and their defaulting, feature gates)
// into plain data, and prints it as JSON. It only asks the component's own code; it knows no flag and no field by name.
package dump

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register" // every component does: the JSON log format and its flags
)

// Flag is one registered flag. Default is the text that pflag keeps as the default (Value.String() when it was registered).
type Flag struct {
	Name       string `json:"name"`
	Shorthand  string `json:"shorthand,omitempty"`
	Type       string `json:"type"`
	Default    string `json:"default"`
	NoOpt      string `json:"noOpt,omitempty"`
	Deprecated bool   `json:"deprecated,omitempty"`
	Field      string `json:"field,omitempty"`
}

// Field is one leaf of a versioned configuration type.
type Field struct {
	Path        string `json:"path"`
	Type        string `json:"type"`
	Pointer     bool   `json:"pointer,omitempty"`     // an explicit zero in the file is kept, and differs from leaving it out
	ZeroIsUnset bool   `json:"zeroIsUnset,omitempty"` // an explicit zero in the file turns into the default
	Default     any    `json:"default"`
}

// Gate is a feature gate as this version knows it.
type Gate struct {
	Stage   string      `json:"stage"`
	Default bool        `json:"default"`
	Locked  bool        `json:"locked,omitempty"`
	History []GateStage `json:"history,omitempty"` // what the registry remembers of older versions
}

// GateStage is one entry of a gate's history.
type GateStage struct {
	Since   string `json:"since"`
	Stage   string `json:"stage"`
	Default bool   `json:"default"`
	Locked  bool   `json:"locked,omitempty"`
}

// Component is the whole answer of one component.
type Component struct {
	Flags    []Flag            `json:"flags"`
	Fields   []Field           `json:"fields,omitempty"`
	Gates    map[string]Gate   `json:"gates,omitempty"`
	Plugins  map[string]bool   `json:"plugins,omitempty"`  // admission plugin -> on by default
	Internal map[string]string `json:"internal,omitempty"` // path in the JSON of the internal type -> versioned path
	Ciphers  *Ciphers          `json:"ciphers,omitempty"`
}

// Print writes the component as one JSON document.
func Print(c Component) {
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		Fatal(err)
	}
}

// Fatal ends the program: a table with a hole is worse than none.
func Fatal(err any) {
	fmt.Fprintln(os.Stderr, "tables:", err)
	os.Exit(1)
}

// Command lists the flags of a command as its main prepares it (component-base/cli.Run): names with "-", the logging flags added.
func Command(cmd *cobra.Command) []Flag {
	cmd.SetGlobalNormalizationFunc(cliflag.WordSepNormalizeFunc)
	logs.AddFlags(cmd.PersistentFlags())
	cmd.InitDefaultHelpFlag()
	cmd.Flags().AddFlagSet(cmd.PersistentFlags())
	return Flags(cmd.Flags())
}

// Flags lists a flag set.
func Flags(fs *pflag.FlagSet) []Flag {
	var out []Flag
	fs.VisitAll(func(f *pflag.Flag) {
		x := Flag{Name: f.Name, Shorthand: f.Shorthand, Type: flagKind(f.Value), Default: f.DefValue, Deprecated: f.Deprecated != ""}
		if x.Type != "bool" {
			x.NoOpt = f.NoOptDefVal
		}
		out = append(out, x)
	})
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// flagKind is the name of a flag's type: what the type says of itself, save where types of one name read differently.
func flagKind(v pflag.Value) string {
	inner := reflect.ValueOf(v)
	for {
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Interface {
			inner = inner.Elem()
		}
		if inner.Type().String() != "flag.TrackerValue" { // notes that the flag was given
			break
		}
		inner = inner.FieldByName("value")
	}
	set := func(field string) bool {
		f := inner.FieldByName(field)
		return f.IsValid() && f.Bool()
	}
	switch inner.Type().String() {
	case "flag.LangleSeparatedMapStringString":
		return "langleSeparatedMapStringString"
	case "flag.MapStringString":
		if set("NoSplit") {
			return "mapStringStringNoSplit"
		}
	case "flag.ColonSeparatedMultimapStringString":
		if !set("allowDefaultEmptyKey") {
			return "colonSeparatedMultimapStringStringKeyed"
		}
	case "flag.ConfigurationMap": // takes a key without a value
		return "configurationMap"
	case "flag.IPVar": // keeps the text as it is
		return "ipText"
	}
	return v.Type()
}

// Gates lists the gates of the process's registry. Reflection, because older versions have no versioned history.
func Gates() map[string]Gate {
	out := map[string]Gate{}
	for name, s := range utilfeature.DefaultMutableFeatureGate.GetAll() {
		out[string(name)] = Gate{Stage: stage(string(s.PreRelease)), Default: s.Default, Locked: s.LockToDefault}
	}
	if m := reflect.ValueOf(utilfeature.DefaultMutableFeatureGate).MethodByName("GetAllVersioned"); m.IsValid() {
		for it := m.Call(nil)[0].MapRange(); it.Next(); {
			g, ok := out[it.Key().String()]
			if !ok {
				continue
			}
			for i := range it.Value().Len() {
				s := it.Value().Index(i)
				since := "0.0"
				if v := s.FieldByName("Version"); v.IsValid() && !v.IsNil() {
					since = fmt.Sprint(v.Interface())
				}
				g.History = append(g.History, GateStage{since, stage(s.FieldByName("PreRelease").String()),
					s.FieldByName("Default").Bool(), s.FieldByName("LockToDefault").Bool()})
			}
			out[it.Key().String()] = g
		}
	}
	return out
}

func stage(s string) string {
	if s == "" {
		return "ga"
	}
	return strings.ToLower(s)
}

// Fields walks a versioned configuration type: fresh makes an empty object, defaults applies the component's own defaulting.
func Fields(fresh func() runtime.Object, defaults func(runtime.Object)) []Field {
	def := fresh()
	defaults(def)
	var out []Field
	for _, l := range Leaves(reflect.TypeOf(fresh()).Elem()) {
		f := Field{Path: strings.Join(l.Path, "."), Type: l.Kind, Default: plain(at(reflect.ValueOf(def), l.Path), l.Kind)}
		zero, ok := zeros[l.Kind]
		if ok {
			o := fresh()
			if err := json.Unmarshal(document(l.Path, zero), o); err != nil {
				Fatal(fmt.Sprintf("%s: explicit zero: %v", f.Path, err))
			}
			defaults(o)
			got := plain(at(reflect.ValueOf(o), l.Path), l.Kind)
			want := plain(reflect.ValueOf(zeroValue(l.Kind)), l.Kind)
			kept := reflect.DeepEqual(got, want)
			f.Pointer = l.Pointer && kept
			f.ZeroIsUnset = !kept && !reflect.DeepEqual(f.Default, want)
		}
		out = append(out, f)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}

// Leaf is a place in a configuration type that is not looked into any further.
type Leaf struct {
	Path    []string // JSON names
	Kind    string
	Pointer bool
}

// Leaves lists the leaves of a struct type.
func Leaves(t reflect.Type) []Leaf {
	var out []Leaf
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() || sf.Type.Name() == "TypeMeta" {
			continue
		}
		tag, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if tag == "-" {
			continue
		}
		ft, ptr := sf.Type, false
		if ft.Kind() == reflect.Pointer {
			ft, ptr = ft.Elem(), true
		}
		k := kind(ft)
		switch {
		case k == "" && tag == "": // embedded
			out = append(out, Leaves(ft)...)
		case k == "":
			for _, l := range Leaves(ft) {
				l.Path = append([]string{tag}, l.Path...)
				out = append(out, l)
			}
		default:
			out = append(out, Leaf{[]string{tag}, k, ptr})
		}
	}
	return out
}

// kind names a leaf's type; "" is a struct to be looked into
func kind(t reflect.Type) string {
	switch t.Name() {
	case "Duration", "TimeOrMetaDuration":
		return "duration"
	case "Quantity", "QuantityValue":
		return "quantity"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	case reflect.Int32, reflect.Int64, reflect.Uint32:
		return t.Kind().String()
	case reflect.Int:
		return "int64"
	case reflect.Float32, reflect.Float64:
		return "float"
	case reflect.Slice:
		switch t.Elem().Kind() {
		case reflect.String:
			return "list"
		case reflect.Struct:
			return "object-list"
		}
	case reflect.Map:
		switch t.Elem().Kind() {
		case reflect.String:
			return "mapStringString"
		case reflect.Bool:
			return "mapStringBool"
		}
		return "map"
	case reflect.Struct:
		if t.NumField() > 0 && t.Field(0).Name == "Raw" {
			return "any"
		}
		return ""
	}
	return "any"
}

var zeros = map[string]string{"bool": "false", "int32": "0", "int64": "0", "uint32": "0", "float": "0", "string": `""`, "duration": `"0s"`,
	"list": "[]", "map": "{}", "mapStringBool": "{}", "mapStringString": "{}", "quantity": `"0"`}

func zeroValue(kind string) any {
	switch kind {
	case "bool":
		return false
	case "string":
		return ""
	case "duration":
		return time.Duration(0)
	case "list":
		return []string{}
	case "map", "mapStringBool", "mapStringString":
		return map[string]string{}
	case "quantity":
		return "0"
	case "float":
		return 0.0
	}
	return 0
}

// document is {"a": {"b": VALUE}}
func document(path []string, value string) []byte {
	s := value
	for i := len(path) - 1; i >= 0; i-- {
		s = fmt.Sprintf("{%q: %s}", path[i], s)
	}
	return []byte(s)
}

// at finds the value of a JSON path; invalid where a pointer on the way is nil
func at(v reflect.Value, path []string) reflect.Value {
	for v.IsValid() && (v.Kind() == reflect.Pointer) {
		if v.IsNil() {
			return reflect.Value{}
		}
		v = v.Elem()
	}
	if len(path) == 0 || !v.IsValid() {
		return v
	}
	t := v.Type()
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag == path[0] && t.Field(i).IsExported() {
			return at(v.Field(i), path[1:])
		}
		if tag == "" && t.Field(i).IsExported() && t.Field(i).Type.Kind() == reflect.Struct {
			if found := at(v.Field(i), path); found.IsValid() {
				return found
			}
		}
	}
	return reflect.Value{}
}

// plain is a value as JSON holds it; nil where it is not set at all
func plain(v reflect.Value, kind string) any {
	if !v.IsValid() {
		return nil
	}
	switch kind {
	case "duration":
		if d := v; d.Kind() == reflect.Struct {
			if d.FieldByName("Duration").IsValid() {
				v = d.FieldByName("Duration")
			}
			for v.Kind() == reflect.Struct { // TimeOrMetaDuration holds a metav1.Duration
				v = v.FieldByName("Duration")
			}
		}
		return time.Duration(v.Int()).String()
	case "quantity":
		if v.Kind() == reflect.String {
			return v.String()
		}
		b, err := json.Marshal(v.Interface())
		if err != nil {
			Fatal(err)
		}
		return strings.Trim(string(b), `"`)
	case "list", "object-list":
		if v.Len() == 0 {
			return []any{}
		}
	case "map", "mapStringBool", "mapStringString":
		if v.Len() == 0 {
			return map[string]any{}
		}
	case "float":
		return fmt.Sprint(v.Interface())
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		Fatal(err)
	}
	return out
}

// Flat is an object as path -> JSON text of every leaf; lists and empty maps are leaves.
func Flat(o any) map[string]string {
	b, err := json.Marshal(o)
	if err != nil {
		Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		Fatal(err)
	}
	out := map[string]string{}
	var walk func(string, any)
	walk = func(p string, v any) {
		if m, ok := v.(map[string]any); ok && len(m) > 0 {
			for k, x := range m {
				walk(strings.TrimPrefix(p+"."+k, "."), x)
			}
			return
		}
		b, _ := json.Marshal(v)
		out[p] = string(b)
	}
	walk("", v)
	return out
}

// Changed lists the paths whose value differs.
func Changed(a, b map[string]string) []string {
	var out []string
	for k, v := range b {
		if w, ok := a[k]; !ok || v != w {
			out = append(out, k)
		}
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return out
}

// Samples are values, unlike any default, in JSON, to be tried for a leaf of that kind.
func Samples(kind string) []string {
	switch kind {
	case "bool":
		return []string{"true", "false"}
	case "int32", "int64", "uint32", "float":
		return []string{"17"}
	case "string":
		return []string{`"sample-17"`, `"127.0.0.17:17"`, `"VersionTLS13"`, `"10.17.0.0/16"`}
	case "duration":
		return []string{`"17m17s"`}
	case "quantity":
		return []string{`"17Mi"`}
	case "list":
		return []string{`["sample-17"]`}
	case "mapStringBool":
		return []string{`{"Sample17": true}`}
	case "mapStringString":
		return []string{`{"sample17": "17%"}`}
	case "map":
		return []string{`{"sample17": ["x"]}`}
	case "object-list":
		return []string{`[{}]`}
	case "any": // a list of numbers, as of curve identifiers
		return []string{`[17]`, `17`}
	}
	return nil
}

// Document is Samples' companion: the JSON document that sets just that path.
func Document(path []string, value string) []byte { return document(path, value) }
