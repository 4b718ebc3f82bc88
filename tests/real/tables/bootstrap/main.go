// Prints the RBAC objects that kube-apiserver makes by itself, with the feature gates of a plain start or those of its argument.
package main

import (
	"encoding/json"
	"os"

	rbacv1 "k8s.io/api/rbac/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	_ "k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

type policy struct {
	Roles    []any `json:"roles"`
	Bindings []any `json:"bindings"`
}

func collect() policy {
	p := policy{}
	for _, list := range [][]rbacv1.ClusterRole{bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()} {
		for _, role := range list {
			p.Roles = append(p.Roles, role)
		}
	}
	for namespace, list := range bootstrappolicy.NamespaceRoles() {
		for _, role := range list {
			role.Namespace = namespace
			p.Roles = append(p.Roles, role)
		}
	}
	for _, list := range [][]rbacv1.ClusterRoleBinding{bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()} {
		for _, binding := range list {
			p.Bindings = append(p.Bindings, binding)
		}
	}
	for namespace, list := range bootstrappolicy.NamespaceRoleBindings() {
		for _, binding := range list {
			binding.Namespace = namespace
			p.Bindings = append(p.Bindings, binding)
		}
	}
	return p
}

func main() {
	// AllAlpha and AllBeta only reach gates that nothing has set before: one process has one answer
	if len(os.Args) > 1 {
		if err := utilfeature.DefaultMutableFeatureGate.Set(os.Args[1]); err != nil {
			panic(err)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(collect()); err != nil {
		panic(err)
	}
}
