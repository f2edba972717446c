--- Classes whose output layer is a tensor of its own even where config.json says that it is the embedding.

return { CpmAntForCausalLM = true, BigBirdPegasusForCausalLM = true }
