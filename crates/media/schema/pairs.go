// Writes objects of every kind of the Kubernetes API with values of chance, as protobuf and as the JSON that Go makes of it.
//
//	go run pairs.go FOLDER SEED COUNT [LONGEST]
//
// needs what generate.go needs, and writes COUNT objects of each kind, a file for each API group. A line is the protobuf body in base64, a
// blank, and the JSON. With LONGEST only two of each kind are kept: the empty one, and the longest line of at most so many bytes. The
// texts have nothing that Go escapes for HTML.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsbeta "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	metabeta "k8s.io/apimachinery/pkg/apis/meta/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	apiregistrationbeta "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1beta1"
	"sigs.k8s.io/randfill"
)

func main() {
	for _, add := range []func(*runtime.Scheme) error{
		apiextensions.AddToScheme, apiextensionsbeta.AddToScheme, apiregistration.AddToScheme,
		apiregistrationbeta.AddToScheme, meta.AddMetaToScheme, metabeta.AddMetaToScheme,
	} {
		must(add(scheme.Scheme))
	}
	seed, err := strconv.ParseInt(os.Args[2], 10, 64)
	must(err)
	count, err := strconv.Atoi(os.Args[3])
	must(err)
	chance := rand.New(rand.NewSource(seed))
	lines := map[string][]string{}
	for _, gvk := range kinds() {
		found := []string{}
		for number := range count {
			if line := pair(gvk, number, chance); line != "" {
				found = append(found, line)
			}
		}
		lines[gvk.Group] = append(lines[gvk.Group], kept(found)...)
	}
	for group, lines := range lines {
		if group == "" {
			group = "core"
		}
		text := strings.Join(lines, "\n") + "\n"
		must(os.WriteFile(filepath.Join(os.Args[1], group), []byte(text), 0o644))
	}
}

// kept are the lines to write of those of one kind.
func kept(lines []string) []string {
	if len(os.Args) < 5 || len(lines) == 0 {
		return lines
	}
	longest, err := strconv.Atoi(os.Args[4])
	must(err)
	best := lines[0]
	for _, line := range lines {
		if len(line) <= longest && len(line) > len(best) {
			best = line
		}
	}
	return slices.Compact([]string{lines[0], best})
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// kinds are the kinds that have a protobuf form; the options of requests in one version only.
func kinds() []schema.GroupVersionKind {
	kinds := []schema.GroupVersionKind{}
	for gvk, kind := range scheme.Scheme.AllKnownTypes() {
		_, isMessage := reflect.PointerTo(kind).MethodByName("Unmarshal")
		isOptions := strings.HasSuffix(kind.PkgPath(), "meta/v1") && strings.HasSuffix(kind.Name(), "Options")
		isOther := gvk.Version == "__internal" || gvk.Kind == "WatchEvent"
		if isMessage && !isOther && (!isOptions || gvk.GroupVersion().String() == "v1") {
			kinds = append(kinds, gvk)
		}
	}
	sort.Slice(kinds, func(i, j int) bool { return kinds[i].String() < kinds[j].String() })
	return kinds
}

// pair is a line; empty if Go cannot write the object as JSON. The first object of a kind is empty, the second has everything.
func pair(gvk schema.GroupVersionKind, number int, chance *rand.Rand) string {
	object, err := scheme.Scheme.New(gvk)
	must(err)
	if number > 0 {
		filler(number, chance).Fill(object)
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	body := bytes.Buffer{}
	serializer := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	must(serializer.Encode(object, &body))
	again, _, err := serializer.Decode(body.Bytes(), nil, nil)
	must(err)
	haveItems(again)
	text := bytes.Buffer{}
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(again); err != nil {
		fmt.Fprintln(os.Stderr, gvk, err)
		return ""
	}
	return base64.StdEncoding.EncodeToString(body.Bytes()) + " " + strings.TrimSpace(text.String())
}

// haveItems gives a list the empty list of items that a server has there, for which protobuf has no form.
func haveItems(object runtime.Object) {
	items := reflect.ValueOf(object).Elem().FieldByName("Items")
	if items.IsValid() && items.Kind() == reflect.Slice && items.IsNil() {
		items.Set(reflect.MakeSlice(items.Type(), 0, 0))
	}
}

func filler(number int, chance *rand.Rand) *randfill.Filler {
	nils, most, depth := []float64{0, 0.5, 0.9}[(number-1)%3], []int{1, 3, 2}[(number-1)%3], 12
	return randfill.New().RandSource(chance).NilChance(nils).NumElements(0, most).MaxDepth(depth).Funcs(
		func(s *string, c randfill.Continue) { *s = text(c) },
		func(u *apiextensions.JSONSchemaURL, c randfill.Continue) { *u = apiextensions.JSONSchemaURL(text(c)) },
		func(u *apiextensionsbeta.JSONSchemaURL, c randfill.Continue) {
			*u = apiextensionsbeta.JSONSchemaURL(text(c))
		},
		func(t *meta.TypeMeta, c randfill.Continue) {},
		func(t *meta.Time, c randfill.Continue) { t.Time = moment(c) },
		func(t *meta.MicroTime, c randfill.Continue) { t.Time = moment(c) },
		func(q *resource.Quantity, c randfill.Continue) {
			*q = resource.MustParse(pick(c, "0", "1", "100m", "1Gi", "-5", "1500", "12e6", "0.5", "3T", "1n", "2Ei", "340282366920938463463"))
		},
		func(i *intstr.IntOrString, c randfill.Continue) {
			*i = intstr.FromInt32(int32(c.Uint32()))
			if c.Bool() {
				*i = intstr.FromString(text(c))
			}
		},
		func(r *runtime.RawExtension, c randfill.Continue) { r.Raw = raw(c) },
		func(f *meta.FieldsV1, c randfill.Continue) { f.SetRawBytes(raw(c)) },
		func(j *apiextensions.JSON, c randfill.Continue) { j.Raw = raw(c) },
		func(j *apiextensionsbeta.JSON, c randfill.Continue) { j.Raw = raw(c) },
		func(f *float64, c randfill.Continue) {
			*f = []float64{0, 1, -1.5, 1e21, 123456789012345680000, 1e-6, 3e-7, c.NormFloat64(), c.ExpFloat64() * 1e30}[c.Intn(9)]
		},
	)
}

func pick(c randfill.Continue, texts ...string) string {
	return texts[c.Intn(len(texts))]
}

func text(c randfill.Continue) string {
	return pick(c, "", "a", "kube-system", "app.kubernetes.io/name", "two words", "say \"x\"\\", "line\nand\ttab\r", "\x01\x1f\x7f", "größe", "日本語", "🦀") +
		pick(c, "", "", strconv.Itoa(c.Intn(1000)))
}

// raw is JSON, or nothing at all: Go cannot write a RawExtension of no bytes.
func raw(c randfill.Continue) []byte {
	if c.Intn(8) == 0 {
		return nil
	}
	return []byte(pick(c, "null", "true", "-1.5e+3", `"text \u00e9 \\"`, `[]`, `[1,{"a":[null]}]`, `{"f:metadata":{"f:labels":{".":{},"f:a":{}}}}`))
}

func moment(c randfill.Continue) time.Time {
	seconds := []int64{0, -1, 1600000000, 951782400, c.Int63n(253402300800), -c.Int63n(62135596800), -62135596800}[c.Intn(7)]
	return time.Unix(seconds, c.Int63n(1000000000)*int64(c.Intn(2)))
}
