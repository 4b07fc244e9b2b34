// Writes what the protobuf messages of the Kubernetes API look like, and how Go writes them as JSON, from Go's own types.
//
//	go run generate.go FOLDER
//
// needs k8s.io/api, k8s.io/apimachinery, k8s.io/apiextensions-apiserver, k8s.io/kube-aggregator and k8s.io/client-go of one
// Kubernetes version, and writes `kinds` and `messages` into the folder. `src/protobuf/schema.rs` explains their lines.
//
// What stands in the folder already stays: run it with the newest version into an empty folder, and then with older versions,
// which add the kinds that were removed since. What is there now is of 1.36.4 and 1.20.2. Fields that were removed are not
// added: a newer server steps over whatever stands there, so that to expect something there could hide a body.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsbeta "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	metabeta "k8s.io/apimachinery/pkg/apis/meta/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	apiregistrationbeta "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1beta1"
)

// messages holds the lines of each message, by its name.
var messages = map[string][]string{}

func main() {
	for _, add := range []func() error{
		func() error { return apiextensions.AddToScheme(scheme.Scheme) },
		func() error { return apiextensionsbeta.AddToScheme(scheme.Scheme) },
		func() error { return apiregistration.AddToScheme(scheme.Scheme) },
		func() error { return apiregistrationbeta.AddToScheme(scheme.Scheme) },
		func() error { return meta.AddMetaToScheme(scheme.Scheme) },
		func() error { return metabeta.AddMetaToScheme(scheme.Scheme) },
	} {
		if err := add(); err != nil {
			panic(err)
		}
	}
	kinds := []string{}
	for gvk, kind := range scheme.Scheme.AllKnownTypes() {
		if isInternal(gvk) || !isMessage(kind) {
			continue
		}
		describe(kind)
		version := gvk.GroupVersion().String()
		if isUnversioned(kind) {
			version = "*"
		}
		kinds = append(kinds, fmt.Sprintf("%s %s %s", version, gvk.Kind, name(kind)))
	}
	writeKinds(kinds)
	writeMessages()
}

func isInternal(gvk schema.GroupVersionKind) bool {
	return gvk.Version == "__internal" || gvk.Kind == "WatchEvent"
}

func writeKinds(kinds []string) {
	all := read("kinds")
	for _, line := range kinds {
		kind := line[:strings.LastIndex(line, " ")+1]
		if !slices.ContainsFunc(all, func(line string) bool { return strings.HasPrefix(line, kind) }) {
			all = append(all, line)
		}
	}
	sort.Strings(all)
	write("kinds", all)
}

func writeMessages() {
	all, message := map[string][]string{}, ""
	for _, line := range read("messages") {
		if strings.HasPrefix(line, " ") {
			all[message] = append(all[message], line)
		} else {
			message = line
			all[message] = []string{}
		}
	}
	for message, lines := range messages {
		if _, isKnown := all[message]; !isKnown {
			all[message] = lines
		}
	}
	lines := []string{}
	for _, message := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, message)
		lines = append(lines, all[message]...)
	}
	write("messages", lines)
}

// read gives the lines of a file; none if there is no such file.
func read(file string) []string {
	text, err := os.ReadFile(filepath.Join(os.Args[1], file))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// isUnversioned tells whether the type is known in every group version, such as DeleteOptions and Status.
func isUnversioned(t reflect.Type) bool {
	isOptions := strings.HasSuffix(t.Name(), "Options") && t.Name() != "TableOptions"
	isUnversioned, _ := scheme.Scheme.IsUnversioned(reflect.New(t).Interface().(runtime.Object))
	return name(t) == "meta/v1."+t.Name() && (isOptions || isUnversioned)
}

func write(file string, lines []string) {
	text := strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(os.Args[1], file), []byte(text), 0o644); err != nil {
		panic(err)
	}
}

// isMessage tells whether the type has a protobuf form of its own.
func isMessage(t reflect.Type) bool {
	_, ok := reflect.PointerTo(t).MethodByName("Unmarshal")
	return ok
}

// isSpecial tells whether the type writes itself as JSON otherwise than by its fields.
func isSpecial(t reflect.Type) bool {
	_, byPointer := reflect.PointerTo(t).MethodByName("MarshalJSON")
	return byPointer
}

// name is the package below k8s.io and the type.
func name(t reflect.Type) string {
	path := t.PkgPath()
	path = path[strings.Index(path, "k8s.io/")+len("k8s.io/"):]
	for _, cut := range []string{"pkg/apis/", "pkg/api/", "pkg/", "apimachinery/", "apiextensions-apiserver/", "kube-aggregator/", "api/"} {
		path = strings.Replace(path, cut, "", 1)
	}
	return path + "." + t.Name()
}

// describe adds the lines of a message and of those inside.
func describe(t reflect.Type) {
	if _, known := messages[name(t)]; known {
		return
	}
	messages[name(t)] = nil
	if isSpecial(t) {
		messages[name(t)] = append([]string{"  special"}, fields(onWire(t))...)
		return
	}
	if t.Kind() == reflect.Slice {
		messages[name(t)] = []string{"  list 1 " + scalar(t.Elem())}
		return
	}
	messages[name(t)] = fields(t)
}

// onWire is the struct whose fields are the message of a type that writes itself as JSON.
func onWire(t reflect.Type) reflect.Type {
	switch t.Name() {
	case "Time", "MicroTime":
		return reflect.TypeFor[meta.Timestamp]()
	case "Quantity":
		return reflect.TypeFor[quantity]()
	case "FieldsV1":
		return reflect.TypeFor[runtime.RawExtension]()
	}
	return t
}

// quantity is the message of a Quantity, which has no fields that Go would show.
type quantity struct {
	Text string `json:"text" protobuf:"bytes,1,opt,name=string"`
}

func fields(t reflect.Type) []string {
	lines := []string{}
	for i := range t.NumField() {
		if line := field(t.Field(i)); line != "" {
			lines = append(lines, "  "+line)
		}
	}
	return lines
}

// field is the line of a field: number, name, type, and how it is left out.
func field(f reflect.StructField) string {
	jsonName, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	if jsonName == "" && !f.Anonymous {
		jsonName = f.Name
	}
	isInline := strings.Contains(options, "inline") || (f.Anonymous && jsonName == "")
	number := "-"
	if tag := strings.Split(f.Tag.Get("protobuf"), ","); len(tag) > 1 {
		number = tag[1]
	}
	if number == "-" {
		return ""
	}
	flags := ""
	if strings.Contains(options, "omitempty") {
		flags += " omitempty"
	}
	if strings.Contains(options, "omitzero") {
		flags += " omitzero"
	}
	if isInline {
		jsonName = "*"
	}
	return fmt.Sprintf("%s %s %s%s", number, jsonName, typeOf(f.Type), flags)
}

// typeOf is `?` before what may be nil, `[]` before a list, `{}` before a map from text, and a scalar or the name of a message.
func typeOf(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return "?" + typeOf(t.Elem())
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "bytes"
	case t.Kind() == reflect.Slice && !isMessage(t):
		return "[]" + typeOf(t.Elem())
	case t.Kind() == reflect.Map:
		return "{}" + typeOf(t.Elem())
	default:
		return scalar(t)
	}
}

func scalar(t reflect.Type) string {
	if isMessage(t) {
		describe(t)
		return name(t)
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint32, reflect.Uint64, reflect.Float64, reflect.Float32:
		return t.Kind().String()
	}
	return "unknown:" + t.String()
}
