/* A tool. */
namespace tools {
	// === OmniNode:Metadata ===
	// ---
	// name: indented
	// version: {major: 1, minor: 2, patch: 3}
	// entrypoint: c++://src/main.cc

	//
	// capabilities_required:
	//   - type: network.connect
	//     resource: api.example.com:443
	//     conditions: {proto: tcp}
	//     description: >
	//       Where the answers
	//       come from.
	// === /OmniNode:Metadata ===
}
