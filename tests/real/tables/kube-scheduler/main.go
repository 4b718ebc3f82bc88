// Prints kube-scheduler's flags, feature gates and the fields of KubeSchedulerConfiguration (v1).
package main

import (
	"k8s.io/apimachinery/pkg/runtime"
	v1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"test.invalid/tables/dump"
)

func main() {
	cmd := app.NewSchedulerCommand()
	dump.Print(dump.Component{Flags: dump.Command(cmd), Gates: dump.Gates(),
		Fields: dump.Fields(func() runtime.Object { return &v1.KubeSchedulerConfiguration{} }, scheme.Scheme.Default)})
}
