package config

import (
	"fmt"
	"os"
)

// DefaultAgentPath is where an agent's configuration is; "lastwatt join" writes
// it.
const DefaultAgentPath = "/etc/lastwatt/agent.yaml"

// Agent is an agent's configuration.
type Agent struct {
	// Node is the name that the node joined with; Controller its host:port.
	Node       string `yaml:"node"`
	Controller string `yaml:"controller"`
	// Dir holds the certificates that joining gave.
	Dir string `yaml:"dir"`
	// Docker is the engine's address; empty is the local socket, "none" says
	// that there is no engine.
	Docker   string   `yaml:"docker"`
	Commands Commands `yaml:"commands"`
}

// Commands are how this machine is halted, parked and started again; what is
// left out is done systemd's way. Each is a list of commands, each a list of
// arguments.
type Commands struct {
	Halt   [][]string `yaml:"halt"`
	Timer  [][]string `yaml:"timer"`
	Park   [][]string `yaml:"park"`
	Reboot [][]string `yaml:"reboot"`
}

// LoadAgent reads an agent's configuration.
func LoadAgent(path string) (Agent, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Agent{}, fmt.Errorf("read the agent's configuration: %w: join first, with the line that \"lastwatt token\" prints on the controller", err)
	}
	a := Agent{Dir: "/var/lib/lastwatt-agent"}
	c := checker{path: path, root: parseTree(data)}
	c.decode(data, &a)
	if len(c.problems) == 0 {
		if a.Node == "" {
			c.wrong([]any{"node"}, "no node: write the name that this node joined with")
		}
		if a.Controller == "" {
			c.wrong([]any{"controller"}, "no controller: write its host:port")
		}
	}
	if len(c.problems) > 0 {
		return Agent{}, c.sorted()
	}
	return a, nil
}
