"""The contract in code: digests, shards, blocks, proofs, reasons and limits. Normative: protos/SPEC.md."""
