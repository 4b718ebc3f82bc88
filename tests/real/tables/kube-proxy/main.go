// Prints kube-proxy's flags, feature gates and the fields of KubeProxyConfiguration (v1alpha1).
package main

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kube-proxy/config/v1alpha1"
	"k8s.io/kubernetes/cmd/kube-proxy/app"
	"k8s.io/kubernetes/pkg/proxy/apis/config/scheme"
	"test.invalid/tables/dump"
)

func main() {
	cmd := app.NewProxyCommand()
	dump.Print(dump.Component{Flags: dump.Command(cmd), Gates: dump.Gates(),
		Fields: dump.Fields(func() runtime.Object { return &v1alpha1.KubeProxyConfiguration{} }, scheme.Scheme.Default)})
}
