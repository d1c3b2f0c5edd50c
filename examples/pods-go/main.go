// kubectl pods-go: watches Pods with an informer of client-go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"example.com/krew-wasm/pods-go/krewwasm"
)

const usage = `Shows Pods as they come and go.

Usage:
  kubectl pods-go [-n NAMESPACE | -A] [--max N]
  kubectl pods-go exec POD -- COMMAND [ARGS]
  kubectl pods-go port-forward POD PORT    connects stdin and stdout to a port

Options:
  -A        all namespaces
  --max N   end after N changes
`

func main() {
	code, err := run(withoutConnectionFlags(os.Args[1:]))
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	flags := flag.NewFlagSet("pods-go", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	all := flags.Bool("A", false, "")
	limit := flags.Int("max", 0, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage)
		return 0, nil
	} else if err != nil {
		return 2, fmt.Errorf("%w\n\n%s", err, usage)
	}
	cluster, err := krewwasm.Current()
	if err != nil {
		return 1, err
	}
	ctx := context.Background()
	if flags.Arg(0) == "exec" {
		words := flags.Args()[1:]
		if len(words) > 1 && words[1] == "--" {
			words = append(words[:1:1], words[2:]...)
		}
		if len(words) < 2 {
			return 2, fmt.Errorf("exec wants a Pod and a command\n\n%s", usage)
		}
		return krewwasm.Exec(ctx, krewwasm.Command{
			Namespace: cluster.Namespace, Pod: words[0], Words: words[1:],
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		})
	}
	if flags.Arg(0) == "port-forward" {
		if flags.NArg() != 3 {
			return 2, fmt.Errorf("port-forward wants a Pod and a port\n\n%s", usage)
		}
		return 0, forward(ctx, cluster.Namespace, flags.Arg(1), flags.Arg(2), os.Stdin, os.Stdout)
	}
	if flags.NArg() > 0 {
		return 2, fmt.Errorf("unknown argument %q\n\n%s", flags.Arg(0), usage)
	}
	namespace := cluster.Namespace
	if *all {
		namespace = ""
	}
	return 0, follow(ctx, namespace, *limit)
}

// follow prints changes until it has printed limit of them.
func follow(ctx context.Context, namespace string, limit int) error {
	client, err := dynamic.NewForConfig(&rest.Config{Host: "http://cluster", Transport: krewwasm.Transport{}})
	if err != nil {
		return err
	}
	pods := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(namespace)
	// An informer retries forever, so report an error of the first request.
	if _, err := pods.List(ctx, listOne); err != nil {
		return err
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	changes := make(chan string)
	tell := func(what string) func(any) {
		return func(object any) {
			if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = gone.Obj
			}
			pod := object.(*unstructured.Unstructured)
			phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
			select {
			case changes <- fmt.Sprintf("%-9s %-30s %s", what, pod.GetNamespace()+"/"+pod.GetName(), phase):
			case <-ctx.Done():
			}
		}
	}
	informer := cache.NewSharedIndexInformer(listWatch(pods), &unstructured.Unstructured{}, 0, cache.Indexers{})
	added, changed, deleted := tell("ADDED"), tell("CHANGED"), tell("DELETED")
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    added,
		UpdateFunc: func(_, object any) { changed(object) },
		DeleteFunc: deleted,
	}); err != nil {
		return err
	}
	go informer.RunWithContext(ctx)
	// This line shows that other goroutines run while the informer waits.
	heartbeat := time.NewTicker(time.Minute)
	defer heartbeat.Stop()
	for count := 0; limit == 0 || count < limit; {
		select {
		case line := <-changes:
			fmt.Println(printable(line))
			count++
		case <-heartbeat.C:
			fmt.Fprintln(os.Stderr, "still watching")
		}
	}
	return nil
}

// printable escapes control characters.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}
