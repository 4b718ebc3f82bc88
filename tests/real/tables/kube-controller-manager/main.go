// Prints kube-controller-manager's flags and feature gates.
package main

import (
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"test.invalid/tables/dump"
)

func main() {
	cmd := app.NewControllerManagerCommand()
	dump.Print(dump.Component{Flags: dump.Command(cmd), Gates: dump.Gates()})
}
