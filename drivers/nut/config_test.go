package nut

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

func TestConfigurationIsCheckedBeforeAnythingIsOpened(t *testing.T) {
	pin := strings.Repeat("ab", 32)
	for _, tt := range []struct{ text, want string }{
		{"address: nas.lan", ""},
		{"address: nas.lan\ntls: off", ""},
		{"address: nas.lan:3493\nups: main\npoll: 2s\ntls: require\npin: " + pin, ""},
		{"address: '::1'\ntls: starttls", ""},
		{"address: '[::1]:3493'\nuser: lab\npassword_file: /etc/x\nlogin: true", ""},
		{"address: 10.0.0.2\ntls: require\npin: 'SHA256:" + strings.ToUpper(strings.TrimSuffix(strings.Repeat("ab:", 32), ":")) + "'", ""},
		{"{}", `address: want the host of the NUT server, as nas.lan or nas.lan:3493 (got "")`},
		{"address: main@nas", `address: want the host of the NUT server, as nas.lan or nas.lan:3493 (got "main@nas")`},
		{"address: 'nas:'", `address: want the host of the NUT server, as nas.lan or nas.lan:3493 (got "nas:")`},
		{"address: nas:1:2", `address: want the host of the NUT server, as nas.lan or nas.lan:3493 (got "nas:1:2")`},
		{"address: nas\nups: main@nas", `ups: want NUT's name of the UPS, such as main, with the server in address (got "main@nas")`},
		{"address: nas\nuser: lab", "user and password_file go together: give both or neither"},
		{"address: nas\npassword_file: /etc/x", "user and password_file go together: give both or neither"},
		{"address: nas\nuser: \"a\\nb\"\npassword_file: /etc/x", `user: want one line (got "a\nb")`},
		{"address: nas\nlogin: true", "login: needs user and password_file"},
		{"address: nas\npoll: 100ms", "poll: want 500ms to 10s (got 100ms)"},
		{"address: nas\npoll: 1m", "poll: want 500ms to 10s (got 1m0s)"},
		{"address: nas\ntls: 'on'", `tls: want off, starttls or require (got "on")`},
		{"address: nas\npin: " + pin, "ca_file and pin need tls: starttls or tls: require"},
		{"address: nas\ntls: require\nca_file: /x\npin: " + pin, "pin: a pinned certificate needs no ca_file; give one of them"},
		{"address: nas\ntls: require\npin: abcd", `pin: want the SHA-256 of the server's certificate, as 64 hexadecimal digits (got "abcd"); "openssl x509 -noout -fingerprint -sha256 -in FILE" prints it`},
	} {
		d, err := Kind().New(func(into any) error { return yaml.Load([]byte(tt.text), into, yaml.WithKnownFields()) }, drivers.Options{Name: "main"})
		if tt.want == "" && (err != nil || d == nil) || tt.want != "" && fmt.Sprint(err) != tt.want {
			t.Errorf("%s\n%v, want %q", tt.text, err, tt.want)
		}
	}
}

// TestExampleHasEveryKey: the example is the reference of this driver's keys.
func TestExampleHasEveryKey(t *testing.T) {
	data, err := os.ReadFile("../../configs/examples/nut.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree struct {
		UPS []map[string]any `yaml:"ups"`
	}
	if err := yaml.Load(data, &tree); err != nil || len(tree.UPS) != 1 {
		t.Fatal(err, tree)
	}
	for i, c := 0, reflect.TypeFor[config](); i < c.NumField(); i++ {
		if key := c.Field(i).Tag.Get("yaml"); tree.UPS[0][key] == nil {
			t.Errorf("configs/examples/nut.yaml lacks %q", key)
		}
	}
}
