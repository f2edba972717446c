--- Modules that look up rows of their weight (`nn.Embedding`) and are not called an embedding: Lua patterns of the last
--- part of a module's name. Of token embeddings it is known anyway.

return {
  "embed", "^wte$", "^wpe$", "^shared$", "^relative_attention_bias$", "^decoder_position$",
}
