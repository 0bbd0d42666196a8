#!/usr/bin/env python3
# === OmniNode:Metadata ===
# metadata_version: 0.1.0
# protocol_version: 1.1.0
# owner: Example Team
# schema_version: 1.1.0
# name: block.py
# version: 1.0.0
# uuid: 8b8b8b8b-8b8b-8b8b-8b8b-8b8b8b8b8b8b
# author: Example Team
# created_at: 2025-05-21T12:41:40.166201
# description: Stamped by PythonHandler
# state_contract: state_contract://default
# lifecycle: active
# hash: 0000000000000000000000000000000000000000000000000000000000000000
# entrypoint: {'type': 'python', 'target': 'block.py'}
# runtime_language_hint: python>=3.11
# namespace: onex.stamped.block
# meta_type: tool
#
# capabilities:
#   - validate
#   - text summarization
#   - FILE_READ:src/*.py
# === /OmniNode:Metadata ===

MARKER = "# === OmniNode:Metadata ==="

print("not YAML: [")

# === OmniNode:Metadata ===
# name: the second block doesn't count
# === /OmniNode:Metadata ===
