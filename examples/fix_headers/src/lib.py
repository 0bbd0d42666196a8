# SPDX-License-Identifier: Apache-2.0
"""This one has its header already."""
