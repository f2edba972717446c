# The models that are merged. Sourced by scripts/benchmark.

# write_config SHAPE LAYERS: config.json of a Llama; the shape `tinyllama` has 1.1 B parameters at 22 layers, `13b` 13 B at 40.
write_config() {
  local hidden=2048 intermediate=5632 heads=32 key_value_heads=4
  if [ "$1" = 13b ]; then hidden=5120 intermediate=13824 heads=40 key_value_heads=40; fi
  cat <<JSON
{
  "architectures": ["LlamaForCausalLM"],
  "model_type": "llama",
  "hidden_size": $hidden,
  "intermediate_size": $intermediate,
  "num_hidden_layers": $2,
  "num_attention_heads": $heads,
  "num_key_value_heads": $key_value_heads,
  "vocab_size": 32000,
  "max_position_embeddings": 2048,
  "hidden_act": "silu",
  "rms_norm_eps": 1e-05,
  "rope_theta": 10000.0,
  "attention_bias": false,
  "mlp_bias": false,
  "tie_word_embeddings": false,
  "bos_token_id": 1,
  "eos_token_id": 2,
  "torch_dtype": "bfloat16"
}
JSON
}

# make_family FOLDER LAYERS: base and two fine-tunes of TinyLlama's shape, every byte of them real.
make_family() {
  local folder=$1 layers=$2
  [ -e "$folder/base" ] && [ -e "$folder/math" ] && [ -e "$folder/code" ] && return
  # Per model: a layer has 44 million elements of two bytes, embedding and head have 131 million.
  need_disk "$folder" $((3 * (layers * 88080384 + 262144000)))
  say "making a family of $layers layers in $folder"
  mkdir -p "$folder/seed"
  write_config tinyllama "$layers" > "$folder/seed/config.json"
  # A safetensors file without tensors: the length of its header as eight bytes, and the header {}.
  printf '\x02\0\0\0\0\0\0\0{}' > "$folder/seed/model.safetensors"
  (
    cd "$folder"
    "$tool" "$parts/base.lua" base --seed 1 --force --quiet
    "$tool" "$parts/fine_tune.lua" math --seed 2 --force --quiet
    "$tool" "$parts/fine_tune.lua" code --seed 3 --force --quiet
  )
  sync
}

# make_sparse_family FOLDER LAYERS: models of a 13 B Llama's shape whose elements are holes in the file: zeros that
# take no room on the disk. They serve for memory only.
make_sparse_family() {
  local folder=$1 layers=$2
  [ -e "$folder/code" ] && return
  say "making a sparse family of $layers layers in $folder"
  local name
  for name in base math code; do
    mkdir -p "$folder/$name"
    write_config 13b "$layers" > "$folder/$name/config.json"
    sparse_header "$layers" > "$folder/$name/model.safetensors"
    truncate -s "+$(sparse_bytes "$layers")" "$folder/$name/model.safetensors"
  done
}

# Elements of such a model, as bytes of bfloat16.
sparse_bytes() { echo $((2 * ($1 * (4 * 5120 * 5120 + 3 * 13824 * 5120 + 2 * 5120) + 2 * 32000 * 5120 + 5120))); }

# sparse_header LAYERS: the length of the header and the header, as safetensors has them.
sparse_header() {
  local header length byte
  header=$(awk -v layers="$1" '
    function tensor(name, rows, columns,   bytes, shape) {
      bytes = 2 * rows * (columns ? columns : 1)
      shape = columns ? rows "," columns : rows
      printf "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%s],\"data_offsets\":[%.0f,%.0f]}", \
        place ? "," : "{", name, shape, place, place + bytes
      place += bytes
    }
    BEGIN {
      tensor("model.embed_tokens.weight", 32000, 5120)
      for (layer = 0; layer < layers; layer++) {
        prefix = "model.layers." layer "."
        tensor(prefix "input_layernorm.weight", 5120)
        split("q k v o", projections, " ")
        for (p = 1; p <= 4; p++) tensor(prefix "self_attn." projections[p] "_proj.weight", 5120, 5120)
        tensor(prefix "post_attention_layernorm.weight", 5120)
        tensor(prefix "mlp.gate_proj.weight", 13824, 5120)
        tensor(prefix "mlp.up_proj.weight", 13824, 5120)
        tensor(prefix "mlp.down_proj.weight", 5120, 13824)
      }
      tensor("model.norm.weight", 5120)
      tensor("lm_head.weight", 32000, 5120)
      printf "}"
    }')
  while [ $((${#header} % 8)) != 0 ]; do header+=" "; done
  length=${#header}
  for _ in 1 2 3 4 5 6 7 8; do
    printf -v byte '\\x%02x' $((length & 255))
    printf "$byte"
    length=$((length >> 8))
  done
  printf '%s' "$header"
}

# need_disk FOLDER BYTES: ends the run with words if the disk of FOLDER has less room.
need_disk() {
  local free
  mkdir -p "$1"
  free=$(df --output=avail -B1 "$1" | tail -n 1)
  if [ "$free" -lt "$2" ]; then
    fail "$1: $(gigabytes "$2") needed on the disk and $(gigabytes "$free") free; --dir names another folder," \
      "--layers makes smaller models"
  fi
}

gigabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f GB", bytes / 1e9 }'; }
