// Package guest holds the tests that run inside the lab's kernel.
package guest
