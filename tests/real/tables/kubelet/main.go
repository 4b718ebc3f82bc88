// Prints the kubelet's flags, each with the configuration field behind it, its feature gates, the fields of KubeletConfiguration
// (v1beta1), and how the JSON of the internal type that `-v=5` logs maps to those fields.
package main

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubelet/config/v1beta1"

	cliflag "k8s.io/component-base/cli/flag"
	_ "k8s.io/kubernetes/cmd/kubelet/app" // registers the gates that only the command adds
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	internal "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/apis/config/scheme"
	"test.invalid/tables/dump"
)

func configuration() *internal.KubeletConfiguration {
	c, err := options.NewKubeletConfiguration()
	if err != nil {
		dump.Fatal(err)
	}
	return c
}

func main() {
	s, _, err := scheme.NewSchemeAndCodecs()
	if err != nil {
		dump.Fatal(err)
	}
	fs := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	fs.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	options.NewKubeletFlags().AddFlags(fs)
	options.AddKubeletConfigFlags(fs, configuration())
	options.AddGlobalFlags(fs)
	fs.BoolP("help", "h", false, "")
	flags := dump.Flags(fs)

	// which field does a flag write to? set it and see
	versioned := func(c *internal.KubeletConfiguration) map[string]string {
		v := &v1beta1.KubeletConfiguration{}
		if err := s.Convert(c, v, nil); err != nil {
			dump.Fatal(err)
		}
		return dump.Flat(v)
	}
	leaves := dump.Leaves(reflect.TypeOf(v1beta1.KubeletConfiguration{}))
	base := versioned(configuration())
	fields := map[string]string{}
	only := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	options.AddKubeletConfigFlags(only, configuration())
	only.VisitAll(func(f *pflag.Flag) {
		for _, value := range []string{"true", "false", "17", "17m17s", "sample-17", "127.0.0.17", "VersionTLS13", "AllAlpha=true", "memory.available<17%",
			"cpu=17m", "sample/17=x:NoSchedule", "0:memory=17Mi", "17Mi", "x=3"} {
			c := configuration()
			one := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
			options.AddKubeletConfigFlags(one, c)
			one.SetOutput(io.Discard) // deprecation notices
			if one.Set(f.Name, value) != nil {
				continue
			}
			if paths := dump.Changed(base, versioned(c)); len(paths) > 0 {
				fields[f.Name] = leaf(leaves, paths, "flag "+f.Name)
				return
			}
		}
		dump.Fatal("no value found that shows which field backs --" + f.Name)
	})
	for i := range flags {
		flags[i].Field = fields[flags[i].Name]
	}

	// which path of the internal JSON does a field turn into? set it and see
	names := map[string]string{}
	inner := func(doc []byte) map[string]string {
		v := &v1beta1.KubeletConfiguration{}
		if json.Unmarshal(doc, v) != nil {
			return nil
		}
		i := &internal.KubeletConfiguration{}
		if err := s.Convert(v, i, nil); err != nil {
			return nil
		}
		return dump.Flat(i)
	}
	empty := inner([]byte("{}"))
	for _, l := range leaves {
		for _, value := range dump.Samples(l.Kind) {
			got := inner(dump.Document(l.Path, value))
			if got == nil {
				continue
			}
			name := inside(empty, got)
			if name == "" {
				continue
			}
			if old, ok := names[name]; ok && old != strings.Join(l.Path, ".") {
				dump.Fatal("two fields behind internal name " + name)
			}
			names[name] = strings.Join(l.Path, ".")
			break
		}
	}

	dump.Print(dump.Component{Flags: flags, Gates: dump.Gates(), Internal: names,
		Fields: dump.Fields(func() runtime.Object { return &v1beta1.KubeletConfiguration{} }, s.Default)})
}

// leaf is the one leaf under which all changed paths lie
func leaf(leaves []dump.Leaf, paths []string, what string) string {
	found := ""
	for _, p := range paths {
		for _, l := range leaves {
			name := strings.Join(l.Path, ".")
			if p == name || strings.HasPrefix(p, name+".") {
				if found != "" && found != name {
					dump.Fatal(what + " changes more than one field: " + strings.Join(paths, " "))
				}
				found = name
			}
		}
	}
	if found == "" {
		dump.Fatal(what + " changes no known field: " + strings.Join(paths, " "))
	}
	return found
}

// inside is the internal path of the leaf that was set: a struct that sprang into being brings empty members along, and a map's
// own keys are the sample's
func inside(empty, got map[string]string) string {
	found := ""
	for _, p := range dump.Changed(empty, got) {
		switch got[p] {
		case "", "null", `""`, "0", "[]", "{}", `"0s"`:
			continue
		}
		for _, s := range []string{".Sample17", ".sample17"} {
			p = strings.TrimSuffix(p, s)
		}
		if found == "" || len(p) < len(found) {
			found = p
		}
	}
	return found
}
