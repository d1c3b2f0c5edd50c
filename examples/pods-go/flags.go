package main

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

var listOne = metav1.ListOptions{Limit: 1}

func listWatch(pods dynamic.ResourceInterface) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return pods.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return pods.Watch(ctx, options)
		},
	}
}

// connectionFlags are kubectl's connection flags with a value. The host has read them.
var connectionFlags = []string{
	"--context", "--kubeconfig", "--cluster", "--user", "--namespace", "-n", "--as", "--as-group", "--as-uid",
	"--as-user-extra", "--request-timeout", "--server", "--token", "--certificate-authority", "--client-certificate",
	"--client-key", "--tls-server-name", "--proxy-url", "--username", "--password",
}

// withoutConnectionFlags returns the plugin's own arguments.
func withoutConnectionFlags(args []string) []string {
	var own []string
	for i := 0; i < len(args); i++ {
		name, _, inline := strings.Cut(args[i], "=")
		switch {
		case args[i] == "--":
			return append(own, args[i:]...)
		case slices.Contains(connectionFlags, name):
			if !inline {
				i++
			}
		case name == "--insecure-skip-tls-verify" || name == "--disable-compression":
		default:
			own = append(own, args[i])
		}
	}
	return own
}
