package activate

import "millrace/transform/relation"

// Fit checks the sync against relations and the destination's declaration: relation, columns and operations. Nothing is
// read and nothing goes to the network.
func (s *Sync) Fit(b relation.Build, c Capabilities) error {
	_, err := s.fit(b, c)
	return err
}
