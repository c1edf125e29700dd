mod support {
    pub mod made_up;
}
