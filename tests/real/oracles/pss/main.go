// pss reads one JSON question per line from standard input and answers one JSON line each, as the PodSecurity admission plugin would:
//
//	{"level":"restricted","version":"v1.34","server":33,"metadata":{...},"spec":{...}}
//	  -> {"allowed":false,"violations":["privileged",...],"reasons":["privileged (container ...)",...]}
//	{"labels":{...},"defaults":{"enforce":"baseline","enforce-version":"latest","audit":...,"warn":...}}
//	  -> {"enforce":"baseline:latest","audit":"...","warn":"...","invalid":["pod-security.kubernetes.io/enforce",...]}
//
// "server" makes the policy that of an API server which emulates an older minor version (0.35 and later). A question that the API's own
// decoder refuses is answered by {"refused":"why"}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apijson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

type question struct {
	Level    string            `json:"level"`
	Version  string            `json:"version"`
	Server   int               `json:"server"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     corev1.PodSpec    `json:"spec"`

	Labels   map[string]string `json:"labels"`
	Defaults map[string]string `json:"defaults"`
}

type verdict struct {
	Allowed    bool     `json:"allowed"`
	Violations []string `json:"violations"`
	Reasons    []string `json:"reasons"`
}

type modes struct {
	Enforce string   `json:"enforce"`
	Audit   string   `json:"audit"`
	Warn    string   `json:"warn"`
	Invalid []string `json:"invalid"`
}

type refused struct {
	Refused string `json:"refused"`
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	evaluators := map[int]policy.Evaluator{}
	for {
		line, err := in.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			return
		}
		answer, bad := answerTo(line, evaluators)
		if bad != nil {
			answer = refused{bad.Error()}
		}
		b, bad := json.Marshal(answer)
		if bad != nil {
			panic(bad)
		}
		out.Write(append(b, '\n'))
		if in.Buffered() == 0 {
			out.Flush() // a caller may wait for this answer before it writes on
		}
	}
}

func answerTo(line []byte, evaluators map[int]policy.Evaluator) (any, error) {
	var q question
	if err := apijson.Unmarshal(line, &q); err != nil { // as the API server decodes: letter case counts
		return nil, err
	}
	if q.Level == "" {
		return modesOf(&q)
	}
	level, err := api.ParseLevel(q.Level)
	if err != nil {
		return nil, err
	}
	version, err := api.ParseVersion(q.Version)
	if err != nil {
		return nil, err
	}
	if evaluators[q.Server] == nil {
		evaluators[q.Server] = newEvaluator(q.Server)
	}
	v := verdict{Allowed: true, Violations: []string{}, Reasons: []string{}}
	for _, result := range evaluators[q.Server].EvaluatePod(api.LevelVersion{Level: level, Version: version}, &q.Metadata, &q.Spec) {
		if result.Allowed {
			continue
		}
		id, reason, _ := strings.Cut(result.ForbiddenReason, "\x00")
		result.ForbiddenReason = reason
		all := policy.AggregateCheckResults([]policy.CheckResult{result})
		v.Allowed = false
		v.Violations = append(v.Violations, id)
		v.Reasons = append(v.Reasons, all.ForbiddenDetail())
	}
	return v, nil
}

// newEvaluator makes the plugin's evaluator, with each check's id put before its reason: results do not name their check.
func newEvaluator(server int) policy.Evaluator {
	checks := policy.DefaultChecks()
	for i := range checks {
		id := string(checks[i].ID)
		for j := range checks[i].Versions {
			ask := checks[i].Versions[j].CheckPod
			checks[i].Versions[j].CheckPod = func(m *metav1.ObjectMeta, s *corev1.PodSpec) policy.CheckResult {
				result := ask(m, s)
				if !result.Allowed {
					result.ForbiddenReason = id + "\x00" + result.ForbiddenReason
				}
				return result
			}
		}
	}
	// before 0.35 it took no emulated version
	make := reflect.ValueOf(policy.NewEvaluator)
	arguments := []reflect.Value{reflect.ValueOf(checks)}
	if make.Type().NumIn() == 2 {
		var emulated *api.Version
		if server > 0 {
			v := api.MajorMinorVersion(1, server)
			emulated = &v
		}
		arguments = append(arguments, reflect.ValueOf(emulated))
	}
	results := make.Call(arguments)
	if err, _ := results[1].Interface().(error); err != nil {
		panic(err)
	}
	return results[0].Interface().(policy.Evaluator)
}

func modesOf(q *question) (any, error) {
	var defaults api.Policy
	for name, mode := range map[string]*api.LevelVersion{"enforce": &defaults.Enforce, "audit": &defaults.Audit, "warn": &defaults.Warn} {
		level, err := api.ParseLevel(q.Defaults[name])
		if err != nil {
			return nil, fmt.Errorf("default %s: %w", name, err)
		}
		version, err := api.ParseVersion(q.Defaults[name+"-version"])
		if err != nil {
			return nil, fmt.Errorf("default %s-version: %w", name, err)
		}
		*mode = api.LevelVersion{Level: level, Version: version}
	}
	p, errs := api.PolicyToEvaluate(q.Labels, defaults)
	m := modes{p.Enforce.String(), p.Audit.String(), p.Warn.String(), []string{}}
	for _, err := range errs {
		label := strings.TrimSuffix(strings.TrimPrefix(err.Field, "metadata.labels["), "]")
		m.Invalid = append(m.Invalid, label+": "+strings.TrimPrefix(err.Detail, "Invalid value: "))
	}
	return m, nil
}
