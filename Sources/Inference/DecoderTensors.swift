import Tensors

/// The tensors of a decoder by their published names, with the shapes that its config gives them.
struct DecoderTensors {
  struct Parameter {
    var name: String
    var shape: [Int]
  }

  /// A matrix and what is added to its products.
  struct Projection {
    var weight: Parameter
    var bias: Parameter?
    var outputs: Int { weight.shape[0] }
    var inner: Int { weight.shape[1] }
  }

  /// The tensors of one layer.
  struct Layer {
    let attentionNorm, mlpNorm: Parameter
    let query, key, value, output: Projection
    let queryNorm, keyNorm: Parameter?
    let gate, up, down: Projection

    /// All of them, in the order of their use.
    var parameters: [Parameter] {
      func of(_ projection: Projection) -> [Parameter] {
        [projection.weight] + (projection.bias.map { [$0] } ?? [])
      }
      return [attentionNorm] + of(query) + of(key) + of(value) + [queryNorm, keyNorm].compactMap { $0 }
        + of(output) + [mlpNorm] + of(gate) + of(up) + of(down)
    }
  }

  let embedding = "model.embed_tokens.weight"
  let head = "lm_head.weight"
  let finalNorm: Parameter
  private let config: DecoderConfig

  init(_ config: DecoderConfig) {
    self.config = config
    finalNorm = Parameter(name: "model.norm.weight", shape: [config.hiddenSize])
  }

  func layer(_ index: Int) -> Layer {
    func parameter(_ name: String, _ shape: Int...) -> Parameter {
      Parameter(name: "model.layers.\(index).\(name)", shape: shape)
    }
    func projection(_ name: String, _ outputs: Int, _ inner: Int, _ hasBias: Bool) -> Projection {
      Projection(
        weight: parameter("\(name).weight", outputs, inner),
        bias: hasBias ? parameter("\(name).bias", outputs) : nil)
    }
    let (hidden, middle) = (config.hiddenSize, config.intermediateSize)
    let (queries, keys) = (config.heads * config.headSize, config.keyHeads * config.headSize)
    let hasBias = config.hasQueryKeyValueBias
    return Layer(
      attentionNorm: parameter("input_layernorm.weight", hidden),
      mlpNorm: parameter("post_attention_layernorm.weight", hidden),
      query: projection("self_attn.q_proj", queries, hidden, hasBias),
      key: projection("self_attn.k_proj", keys, hidden, hasBias),
      value: projection("self_attn.v_proj", keys, hidden, hasBias),
      output: projection("self_attn.o_proj", hidden, queries, config.hasOutputBias),
      queryNorm: config.normalisesHeads ? parameter("self_attn.q_norm.weight", config.headSize) : nil,
      keyNorm: config.normalisesHeads ? parameter("self_attn.k_norm.weight", config.headSize) : nil,
      gate: projection("mlp.gate_proj", middle, hidden, config.hasMLPBias),
      up: projection("mlp.up_proj", middle, hidden, config.hasMLPBias),
      down: projection("mlp.down_proj", hidden, middle, config.hasMLPBias))
  }
}
