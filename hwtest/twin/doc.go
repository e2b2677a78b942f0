// Package twin is the rack's twin: four machines, each a set of namespaces with
// a Docker engine of its own in a real Swarm, that lose power as machines do.
package twin
