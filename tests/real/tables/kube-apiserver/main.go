// Prints kube-apiserver's flags, feature gates, admission plugins and default TLS cipher suites.
package main

import (
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/pkg/kubeapiserver/options"
	"test.invalid/tables/dump"
)

func main() {
	cmd := app.NewAPIServerCommand()
	plugins := map[string]bool{}
	for _, p := range options.NewAdmissionOptions().GenericAdmission.Plugins.Registered() {
		plugins[p] = true
	}
	for p := range options.DefaultOffAdmissionPlugins() {
		if _, ok := plugins[p]; !ok {
			dump.Fatal("default-off plugin that is not registered: " + p)
		}
		plugins[p] = false
	}
	dump.Print(dump.Component{Flags: dump.Command(cmd), Gates: dump.Gates(), Plugins: plugins, Ciphers: dump.TLSCiphers()})
}
