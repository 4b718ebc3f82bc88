// audit-policy reads one JSON question per line from standard input and answers one JSON line each, as the API server's audit would:
//
//	{"policy":{...},"requests":[{"user":"jane","groups":[...],"verb":"get","group":"","resource":"pods","subresource":"","namespace":"n",
//	  "name":"","path":""},...]}
//	  -> {"answers":[{"level":"Metadata","rule":2,"omitStages":["RequestReceived"]},...]}
//
// "rule" counts from 0 and is -1 where none matches; a request with a path is not for a resource. A policy that the API server refuses is
// answered by {"refused":"why"}.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/klog/v2"
)

type request struct {
	User        string   `json:"user"`
	Groups      []string `json:"groups"`
	Verb        string   `json:"verb"`
	Group       string   `json:"group"`
	Resource    string   `json:"resource"`
	Subresource string   `json:"subresource"`
	Namespace   string   `json:"namespace"`
	Name        string   `json:"name"`
	Path        string   `json:"path"`
}

type question struct {
	Policy   json.RawMessage `json:"policy"`
	Requests []request       `json:"requests"`
}

type answer struct {
	Level      string        `json:"level"`
	Rule       int           `json:"rule"`
	OmitStages []audit.Stage `json:"omitStages"`
}

func main() {
	klog.SetOutput(discard{}) // it warns of every field that it does not know
	klog.LogToStderr(false)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			return
		}
		b, err := json.Marshal(answerTo(line))
		if err != nil {
			panic(err)
		}
		out.Write(append(b, '\n'))
		if in.Buffered() == 0 {
			out.Flush() // a caller may wait for this answer before it writes on
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func answerTo(line []byte) any {
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		panic(err)
	}
	loaded, err := policy.LoadPolicyFromBytes(q.Policy)
	if err != nil {
		return map[string]string{"refused": err.Error()}
	}
	answers := []answer{}
	for _, r := range q.Requests {
		attributes := authorizer.AttributesRecord{
			User: &user.DefaultInfo{Name: r.User, Groups: r.Groups}, Verb: r.Verb, APIGroup: r.Group, Resource: r.Resource,
			Subresource: r.Subresource, Namespace: r.Namespace, Name: r.Name, Path: r.Path, ResourceRequest: r.Path == "",
		}
		evaluated := policy.NewPolicyRuleEvaluator(loaded.DeepCopy()).EvaluatePolicyRule(attributes)
		stages := evaluated.OmitStages
		if stages == nil {
			stages = []audit.Stage{}
		}
		answers = append(answers, answer{string(evaluated.Level), deciding(loaded, attributes), stages})
	}
	return map[string][]answer{"answers": answers}
}

// deciding is the number of the first rule that matches: asked one by one, with a level that no match leaves unset.
func deciding(loaded *audit.Policy, attributes authorizer.Attributes) int {
	for i := range loaded.Rules {
		rule := *loaded.Rules[i].DeepCopy()
		rule.Level = audit.LevelRequestResponse
		if policy.NewPolicyRuleEvaluator(&audit.Policy{Rules: []audit.PolicyRule{rule}}).EvaluatePolicyRule(attributes).Level != audit.LevelNone {
			return i
		}
	}
	return -1
}
