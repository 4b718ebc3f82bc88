// yaml reads one base64 document per line from standard input and answers one JSON line each: {"ok":true,"json":...} with the
// document as sigs.k8s.io/yaml turns it into JSON (what Kubernetes' components do with a configuration file), or {"ok":false}.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"

	"sigs.k8s.io/yaml"
)

type answer struct {
	OK   bool            `json:"ok"`
	JSON json.RawMessage `json:"json,omitempty"`
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			return
		}
		var a answer
		if doc, bad := base64.StdEncoding.DecodeString(trim(line)); bad == nil {
			a = convert(doc)
		}
		b, bad := json.Marshal(a)
		if bad != nil {
			b = []byte(`{"ok":false}`)
		}
		out.Write(append(b, '\n'))
		if in.Buffered() == 0 {
			out.Flush() // a caller may wait for this answer before it writes on
		}
	}
}

func convert(doc []byte) (a answer) {
	defer func() {
		if recover() != nil {
			a = answer{}
		}
	}()
	j, err := yaml.YAMLToJSON(doc)
	if err != nil {
		return answer{}
	}
	return answer{true, j}
}

func trim(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return string(b)
}
