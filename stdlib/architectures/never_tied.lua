--- Classes whose output layer is a tensor of its own even where config.json says that it is the embedding.

return {
  CpmAntForCausalLM = true, BigBirdPegasusForCausalLM = true, LukeForMaskedLM = true, GraniteSpeech5ForCTC = true,
  ParakeetForRNNT = true, ParakeetForTDT = true, NemotronAsrStreamingForRNNT = true, Nemotron3_5AsrForRNNT = true,
}
